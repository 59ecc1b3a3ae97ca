"""Settings: every mistake is told at once, in our words, with what would be right."""

from pathlib import Path

import pytest

from processor.config import environment
from processor.config.load import load
from processor.config.settings import Settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv(environment.ENV_FILE, str(tmp_path / ".env"))
    monkeypatch.setenv("S3_BUCKET", "bucket")
    monkeypatch.setenv("WATCH_PATH", str(tmp_path))


def mistakes() -> list[str]:
    with pytest.raises(environment.ConfigurationError) as told:
        load()
    return str(told.value).splitlines()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MAX_CONCURRENCY", "four", "MAX_CONCURRENCY='four': must be a whole number"),
        ("MAX_CONCURRENCY", "0", "MAX_CONCURRENCY='0': must be at least 1"),
        ("MAX_CONCURRENCY", "1000", "MAX_CONCURRENCY='1000': must be at most 256"),
        ("IGNORE_INITIAL", "perhaps", "IGNORE_INITIAL='perhaps': must be true or false"),
        ("MALFORMED_ROWS", "drop", "MALFORMED_ROWS='drop': must be refuse, reject-object or keep"),
        ("S3_BUCKET", "ab", "S3_BUCKET='ab': must have at least 3 characters"),
        ("S3_SSE", "aes", "S3_SSE='aes': must be one of AES256, aws:kms, or empty"),
        ("HTTP_LISTEN", "nonsense", "HTTP_LISTEN='nonsense': must be host:port, such as 127.0.0.1:9464"),
        ("HTTP_LISTEN", ":9464", "HTTP_LISTEN=':9464': must be host:port"),
    ],
)
def test_a_wrong_value_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str) -> None:
    monkeypatch.setenv(name, value)
    [line] = mistakes()
    assert line.startswith(told)
    assert "Input should" not in line


def test_all_mistakes_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_RETRIES", "-1")
    monkeypatch.setenv("LOG_LEVEL", "loud")
    monkeypatch.delenv("S3_BUCKET")
    assert [line.partition("=")[0].partition(" ")[0] for line in mistakes()] == [
        "S3_BUCKET",
        "MAX_RETRIES",
        "LOG_LEVEL",
    ]


@pytest.mark.parametrize(("wrong", "right"), [("S3_ENDPONT", "S3_ENDPOINT"), ("MAX_CONCURENCY", "MAX_CONCURRENCY")])
def test_a_variable_that_looks_like_a_setting_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str, right: str
) -> None:
    monkeypatch.setenv(wrong, "4")
    assert mistakes() == [f"{wrong} in the environment is no setting: did you mean {right}?"]
    monkeypatch.delenv(wrong)
    (tmp_path / ".env").write_text(f"{wrong}=4\n")
    assert mistakes() == [f"{wrong} in {tmp_path / '.env'} is no setting: did you mean {right}?"]


def test_variables_of_other_programs_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HTTP_PROXY",
        "AWS_CA_BUNDLE",
        "S3_URL",
        "LOG_DIR",
        "AWS_PROFILE",
        "DASK_CONFIG",
        "WATCHDOG_USEC",
        "NO_COLOR",
    ):
        monkeypatch.setenv(name, "x")
    assert load().s3_bucket == "bucket"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("9464", "127.0.0.1:9464"), ("0.0.0.0:9464", "0.0.0.0:9464"), ("[::1]:9464", "[::1]:9464"), ("", "")],
)
def test_a_port_alone_means_loopback(monkeypatch: pytest.MonkeyPatch, given: str, meant: str) -> None:
    monkeypatch.setenv("HTTP_LISTEN", given)
    assert load().http_listen == meant


@pytest.mark.parametrize(
    ("said", "file"),
    [
        ({}, ""),
        ({}, "PROGRESS_DB_PATH='~/a b.db'\nexport FEEDS=f.toml # why\n"),
        ({"PROGRESS_DB_PATH": ""}, "progress_db_path=from-file/x.db\nCONTROL_SOCKET=s.sock\n"),
        ({"PROGRESS_DB_PATH": "/e/x.db", "control_socket": "/e/s"}, "PROGRESS_DB_PATH=/f/x.db\nCONTROL_SOCKET=/f/s\n"),
    ],
)
def test_the_quick_look_at_places_finds_what_the_settings_find(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: dict[str, str], file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(file)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert environment.places() == environment.Places(
        settings.progress_db_path, settings.control_socket_path, settings.feeds is not None
    )

"""Mistakes in credentials, configuration files and certificates have names; a service of tokens is waited for."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from processor.domain.errors import DeliveryError, ErrorClass, Failure
from processor.store.embedded import free_ports
from processor.store.errors import MISTAKES
from processor.store.probe import probe
from processor.store.s3 import S3Store
from processor.store.settings import StoreSettings

SSO = """
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = data
[sso-session corp]
sso_region = us-east-1
sso_start_url = https://corp.example/start
"""
PROCESS = "[profile process]\ncredential_process = /bin/false\n"
PARTIAL = "[profile partial]\naws_access_key_id = A\n"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let nothing of this host's own configuration be found."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], None]:
    def configure(content: str, profile: str = "") -> None:
        path = tmp_path / "aws-config"
        path.write_text(content)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
        if profile:
            monkeypatch.setenv("AWS_PROFILE", profile)

    return configure


def problem(settings: StoreSettings) -> Failure:
    store = S3Store(settings)
    found = probe(store).problem
    store.close()
    assert found is not None
    assert found.error_class is ErrorClass.OUTAGE, "while the daemon runs it is waited for"
    with pytest.raises(DeliveryError) as caught:
        store.head("key")
    assert caught.value.failure.code == found.code
    return found


def without_keys(bucket: S3Store) -> StoreSettings:
    return dataclasses.replace(bucket.settings, access_key_id=None, secret_access_key=None)


@pytest.mark.parametrize("keys", [True, False])
def test_a_profile_that_nobody_knows(bucket: S3Store, monkeypatch: pytest.MonkeyPatch, *, keys: bool) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    found = problem(bucket.settings if keys else without_keys(bucket))
    assert found.code == "store.aws-profile"
    assert "nobody" in found.message
    assert "AWS_PROFILE" in found.hint


@pytest.mark.parametrize(
    ("content", "chosen", "code", "named"),
    [
        ("[default\nnonsense", "", "store.aws-config", "aws-config"),
        (PARTIAL, "partial", "store.aws-config", "aws_secret_access_key"),
        (SSO, "sso", "store.sso", "aws sso login"),
        (PROCESS, "process", "store.credential-process", "credential_process"),
    ],
)
def test_a_configuration_that_gives_no_credentials(
    bucket: S3Store, configured: Callable[..., None], content: str, chosen: str, code: str, named: str
) -> None:
    configured(content, chosen)
    found = problem(without_keys(bucket))
    assert found.code == code
    assert code in MISTAKES
    assert named in str(found)


def test_a_service_of_tokens_that_is_away_is_waited_for(
    bucket: S3Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    found = problem(without_keys(bucket))
    assert found.code == "store.unreachable"
    assert "127.0.0.1:9" in found.message


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def give(bucket: S3Store, port: int) -> Iterator[Callable[[], None]]:
    """Begin to give out the bucket's own keys, as a container's service would."""
    said = {
        "AccessKeyId": bucket.settings.access_key_id,
        "SecretAccessKey": bucket.settings.secret_access_key,
        "Token": "",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    servers = []

    class Giver(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def begin() -> None:
        servers.append(HTTPServer(("127.0.0.1", port), Giver))
        Thread(target=servers[0].serve_forever, args=(0.05,), daemon=True).start()

    yield begin
    for server in servers:
        server.shutdown()
        server.server_close()


def test_credentials_that_come_late_are_found(
    bucket: S3Store, monkeypatch: pytest.MonkeyPatch, port: int, give: Callable[[], None]
) -> None:
    store = S3Store(without_keys(bucket))
    with pytest.raises(DeliveryError) as caught:
        store.head("key")
    assert caught.value.failure.code == "store.no-credentials"
    assert caught.value.failure.code not in MISTAKES
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{port}/keys")
    give()
    assert store.head("key") is None
    store.close()


@pytest.mark.parametrize("content", [None, "this is no PEM"])
def test_a_bundle_that_is_none_is_named_with_its_setting(bucket: S3Store, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    found = problem(dataclasses.replace(bucket.settings, endpoint="https://127.0.0.1:9", ca_bundle=path))
    assert found.code == "store.ca-bundle"
    assert str(path) in found.message
    assert "S3_CA_BUNDLE" in found.hint


def test_https_to_a_port_without_tls(bucket: S3Store) -> None:
    endpoint = (bucket.settings.endpoint or "").replace("http://", "https://")
    found = problem(dataclasses.replace(bucket.settings, endpoint=endpoint))
    assert found.code == "store.not-tls"
    assert "http://" in found.hint


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"bucket": "no/bucket's name"}, "S3_BUCKET"), ({"region": "no region", "endpoint": None}, "S3_REGION")],
)
def test_names_that_can_be_none(bucket: S3Store, changed: dict[str, str | None], named: str) -> None:
    assert named in problem(dataclasses.replace(bucket.settings, **changed)).hint  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("endpoint", "unprotected"),
    [
        (None, False),
        ("https://s3.example", False),
        ("http://s3.example:9000", True),
        ("http://localhost:9000", False),
        ("http://127.1.2.3", False),
        ("http://[::1]:9000", False),
        ("http://10.0.0.1", True),
    ],
)
def test_it_is_known_what_leaves_this_host_in_the_open(endpoint: str | None, *, unprotected: bool) -> None:
    assert StoreSettings("bucket", endpoint).unprotected is unprotected

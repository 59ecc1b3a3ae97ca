"""The command line: quick, the same in text and JSON, harmless to terminals, and good in pipes."""

import io
import json
import logging
import os
import pty
import re
import select
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import pyarrow.parquet as pq
import pytest
import structlog

from processor.cli.main import main
from processor.cli.output import say
from processor.cli.parser import commands, parser
from processor.cli.reference import load, type_name
from processor.cli.status import lines
from processor.commands.status import LedgerState
from processor.ledger.writer import Ledger
from tests.e2e.daemon import Daemon
from tests.operate.conftest import command
from tests.operate.test_convert_and_plan import processor

ESCAPE = "\x1b[2J"
HEAVY = {"rich", "pydantic", "boto3", "botocore", "duckdb", "structlog", "pykka", "asyncio"}
_NAMES = {bool: "true or false", int: "number", float: "number", str: "text", dict: "object", list: "array"}


def documented(words: str) -> dict[str, str]:
    """Return the fields of a command's answer and their types, as the reference has them."""
    [answer] = [each.parser.get_default("answer") for each in commands(parser()) if each.words == words]
    hints = get_type_hints(load(answer), include_extras=True)
    told = {field.name: hints[field.name] for field in fields(load(answer))}
    return {
        name: type_name(get_args(kind)[0] if get_origin(kind) is Annotated else kind) for name, kind in told.items()
    }


def agrees(words: str, document: dict[str, Any]) -> None:
    types = documented(words)
    assert list(document) == list(types), words
    for name, value in document.items():
        shown = "null" if value is None else _NAMES[type(value)]
        assert shown in types[name].split(" or ") or shown in types[name], (words, name, value)


class Told(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Tell = Callable[..., Told]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Tell]:
    """Run commands in this process: most of their time goes into imports. Logs go to its own streams no longer."""
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.root.handlers)

    def tell(*arguments: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["processor", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Told(int(ended.value.code or 0), *capsys.readouterr())

    yield tell
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers


@pytest.mark.parametrize("arguments", [["--help"], ["feed", "infer", "--help"], ["status"]])
def test_a_quick_command_loads_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / ".env").write_text("S3_BUCKET=bucket\nWATCH_PATH=/nowhere\n")
    Ledger(tmp_path / "progress.db", b"/x").close()
    program = (
        f"import atexit, sys; sys.argv = {['processor', *arguments]!r}\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from processor.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(done.stderr.split()) == set()
    assert "argparse" in done.stderr.split()


def test_every_answer_is_as_documented_and_no_name_drives_a_terminal(
    daemon: Daemon, here: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(daemon.home)
    for name, value in daemon.environment.items():
        monkeypatch.setenv(name, str(value))
    bad, good = f"bad{ESCAPE}.csv", f"good{ESCAPE}.csv"
    (daemon.watch / good).write_text("id,name\n1,a\n")
    (daemon.watch / "row.json").write_text('{"a": 1}')
    (daemon.watch / bad).write_text("a,b\n1,2\n1,2,3\n")
    outputs: list[str] = []

    def ask(words: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = here(*words.split(), *arguments, "--json")
        assert done.returncode == code, done.stderr
        outputs.extend((done.stdout, done.stderr))
        if words in ("status", "why", "ls", "plan"):
            text = here(*words.split(), *arguments)
            assert text.returncode == code, text.stderr
            outputs.extend((text.stdout, text.stderr))
        document: dict[str, Any] = json.loads(done.stdout)
        agrees(words, document)
        return document

    pretty = command(daemon, "run", "--once", "--json", LOG_PRETTY="true", LOG_LEVEL="debug")
    assert pretty.returncode == 1
    outputs.extend((pretty.stdout, pretty.stderr))
    agrees("run", json.loads(pretty.stdout))
    assert "good\\x1b[2J.csv" in pretty.stderr, "the log goes to stderr"

    assert ask("status")["counts"]["failed"] == 1
    story = ask("why", bad)
    aside = daemon.errors / bad
    assert story["code"] == "csv.malformed-rows"
    assert story["lies_at"] == str(aside)
    told = here("why", str(aside)).stdout
    assert told == outputs[-2], "the same path means the same everywhere"
    assert re.search(r"^code +csv\.malformed-rows$", told, re.MULTILINE)
    assert re.search(r"^last change +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", told, re.MULTILINE)
    way = [each["milestone"] for each in ask("why", good)["timeline"]]
    assert way == ["seen", "whole", "begun", "hashed", "converted", "stored", "manifest"]
    assert re.search(r" UTC  \+\d+\.\d{3} s  hashed\n", outputs[-2])
    assert len(ask("ls")["objects"]) == 4
    for path in (good, str(daemon.watch / good), os.path.relpath(daemon.watch / good, daemon.home)):
        assert ask("verify", path)["counts"] == {"ok": 1}
    assert ask("verify", "nobody.csv", code=1)["differing"][0]["finding"] == "missing"
    assert ask("schema")["columns"][0]["name"]
    assert ask("check")["ready"] is True
    assert ask("feed list") == {"file": None, "feeds": []}
    assert ask("feed check", str(daemon.watch), code=0)["refused"] == 0
    assert ask("feed infer", str(daemon.watch / "row.json"))["files"] == 1
    assert ask("plan", str(aside), code=1)["refused"] == 1
    assert ask("rebuild")["known"] == 2

    assert not [text for text in outputs if "\x1b" in text]
    _chosen(here)


def _chosen(here: Tell) -> None:
    """Choose files of which one failed and two are delivered."""
    assert here("retry", "--code", "csv.no-such").stdout == "0 files are pending again\n"
    assert here("retry", "--feed", "no-such").stdout == "0 files are pending again\n"
    wrong = here("retry", "--since", "sometime")
    assert (wrong.returncode, "such as 2d, 12h" in wrong.stderr) == (2, True)
    again = here("retry", "--since", "1h", "--code", "csv.malformed-rows", "--json")
    agrees("retry", json.loads(again.stdout))
    assert json.loads(again.stdout) == {"pending": 1, "chosen": 1}
    again = here("reprocess", "--since", "yesterday", "--json")
    agrees("reprocess", json.loads(again.stdout))
    assert json.loads(again.stdout)["pending"] == 2


def test_a_plan_opens_archives_and_says_what_is_no_file(tmp_path: Path, here: Tell) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, content in (("t.csv", b"id,day\n1,2024-01-01\n"), ("r.bin", b"bytes"), ("bad.json", b"[1,")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "t.csv"
        archive.addfile(link)
    (tmp_path / "link.csv").symlink_to("a.tar.gz")
    (tmp_path / "t.csv.part").write_text("id\n1\n")
    done = here("plan", ".", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    agrees("plan", document)
    archive_plan, link_plan, part_plan = document["files"]
    members = {member["member"]: member for member in archive_plan["members"]}
    assert members["t.csv"]["key"] == "a.tar.gz/t.csv.parquet"
    assert [column["type"] for column in members["t.csv"]["columns"]] == ["BIGINT", "DATE"]
    assert (members["r.bin"]["key"], members["r.bin"]["size_bytes"]) == ("a.tar.gz/r.bin", 5)
    assert members["bad.json"]["failure"]["code"]
    assert members["link"]["note"]
    assert "never delivered" in link_plan["note"]
    assert (part_plan["type"], part_plan["note"]) == ("left out", "left out by INCLUDE or EXCLUDE")
    text = here("plan", ".").stdout
    assert "    t.csv: parquet, " in text
    assert "a symbolic link to a.tar.gz" in text

    (tmp_path / "empty").mkdir()
    for nothing in ("empty", "nowhere.csv"):
        done = here("plan", nothing)
        assert (done.returncode, nothing in done.stderr) == (2, True)
    assert here("plan").returncode == 2


def test_convert_reads_stdin_and_pipes_and_writes_stdout(tmp_path: Path) -> None:
    text = b"id;name\n1;a\n2;b\n"
    done = processor(tmp_path, "convert", "-", "-", lines=text)
    assert done.returncode == 0, done.stderr
    assert pq.read_table(io.BytesIO(done.stdout)).to_pydict() == {"id": [1, 2], "name": ["a", "b"]}
    os.mkfifo(tmp_path / "pipe.csv")
    with subprocess.Popen(["sh", "-c", f"printf '{text.decode()}' >pipe.csv"], cwd=tmp_path):
        done = processor(tmp_path, "convert", "pipe.csv", "out.parquet", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    agrees("convert", answer)
    assert (answer["rows"], answer["parquet"]) == (2, "out.parquet")
    refused = processor(tmp_path, "convert", "-", "x.parquet", lines=b"a,b\n1\n")
    assert (refused.returncode, (tmp_path / "x.parquet").exists()) == (1, False)


def test_a_long_command_tells_a_terminal_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n" + "1,2\n" * 1000)
    program = (
        "import sys; from processor.commands import progress; progress._FIRST_SECONDS = progress._EACH_SECONDS = 0\n"
        "sys.argv = ['processor', 'convert', 'rows.csv', 'rows.parquet']\n"
        "from processor.__main__ import main; main()"
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as running:
        os.close(theirs)
        screen = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                screen += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
        assert running.stdout is not None
        assert running.stdout.read() == "rows.parquet: 1000 rows, 2 columns\n"
    os.close(ours)
    assert running.returncode == 0
    assert re.search(r"\r\d+ B · .*/s · of Parquet\x1b\[K", screen.decode())
    assert screen.endswith(b"\r\x1b[K")


def test_the_version_is_told() -> None:
    told = subprocess.run([sys.executable, "-m", "processor", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"processor \d+\.\d+\.\d+\n", told.stdout)


def test_one_run_tells_a_terminal_how_far_it_is(daemon: Daemon, tmp_path: Path) -> None:
    for number in range(40):
        (daemon.watch / f"{number}.txt").write_text(str(number))
    program = (
        "import sys; from processor.commands import progress; progress._FIRST_SECONDS = progress._EACH_SECONDS = 0\n"
        "from processor.daemon import app, supervisor; supervisor.Supervisor.next_event.__defaults__ = (0.001,)\n"
        "sys.argv = ['processor', 'run', '--once']\n"
        "from processor.__main__ import main; main()"
    )
    ours, theirs = pty.openpty()
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen([sys.executable, "-c", program], env=daemon.environment, stdout=log, stderr=theirs) as running,
    ):
        os.close(theirs)
        screen = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                screen += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    assert running.returncode == 0
    assert re.search(r"\r\d+ files of 40 files \(\d+ %\) · [\d.,]+/s · .* left\x1b\[K", screen.decode())
    assert screen.endswith(b"\r\x1b[K")


def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(*, terminal: bool, **environment: str) -> str:
        for name in ("TERM", "NO_COLOR"):
            monkeypatch.setenv(name, environment.get(name, ""))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
        say([("rows", "bold")])
        return capsys.readouterr().out

    assert shown(terminal=True, TERM="xterm") == "\x1b[1mrows\x1b[0m\n"
    assert shown(terminal=True, TERM="xterm", NO_COLOR="1") == "rows\n"
    assert shown(terminal=True, TERM="dumb") == "rows\n"
    assert shown(terminal=False, TERM="xterm") == "rows\n"


def test_status_says_that_it_shows_some_of_many() -> None:
    failures = tuple({"file_path": f"/{n}", "error_message": "no", "tries": 1, "updated_at": 0} for n in range(20))
    counts = {"pending": 0, "in_progress": 0, "completed": 0, "failed": 1234}
    many = list(lines(LedgerState(counts, {}, 0, 0, None, None, failures, None, 0, 0), None))
    assert ("failed last, 10 of 1,234", "bold") in many
    few = LedgerState(counts | {"failed": 1}, {}, 0, 0, None, None, failures[:1], None, 0, 0)
    assert ("failed last", "bold") in list(lines(few, None))


def test_the_version_is_that_of_the_distribution() -> None:
    told = subprocess.run([sys.executable, "-m", "processor", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"processor {version('data-file-processor')}\n"

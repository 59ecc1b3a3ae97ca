"""The commands, each against a live daemon."""

import os
import pty
import re
import select
import subprocess
import sys
import time
import zipfile

from processor.commands.status import LedgerState, upload_rate
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.trees import MIB
from tests.operate.conftest import answer, command
from tests.operate.sources import events

ESCAPE = "\x1b[2J"


def test_status_why_and_retry_tell_and_mend_what_happened(daemon: Daemon) -> None:
    (daemon.watch / "good.csv").write_text("id,name\n1,a\n2,b\n")
    (daemon.watch / f"bad{ESCAPE}.csv").write_text("a,b\n1,2\n1,2,3\n")
    with zipfile.ZipFile(daemon.watch / "two.zip", "w") as archive:
        archive.writestr("one.csv", "x\n1\n")
        archive.writestr("two.txt", "text")
    daemon.start()
    daemon.until_at_rest(3)
    bad = f"bad{ESCAPE}.csv"

    state = answer(daemon, "status")
    assert state["counts"] == {"pending": 0, "in_progress": 0, "completed": 2, "failed": 1}
    assert state["flights"] == []
    assert state["completed_last_hour"] == 2
    shown = command(daemon, "status")
    assert shown.returncode == 0
    assert "bad\\x1b[2J.csv" in shown.stdout, "a name can not drive the terminal"
    assert ESCAPE not in shown.stdout

    good = answer(daemon, "why", "good.csv")
    assert good["record"]["status"] == "completed"
    [[ids, names]] = [entry["columns"] for entry in good["objects"]]
    assert ids == ["id", "BIGINT", "BIGINT: all 2 values are whole numbers in their shortest form"]
    assert names[:2] == ["name", "VARCHAR"]
    members = answer(daemon, "why", str(daemon.watch / "two.zip"))["objects"]
    assert [entry["key"] for entry in members] == ["two.zip/one.csv.parquet", "two.zip/two.txt"]
    story = command(daemon, "why", bad)
    assert "failed at parquet_conversion" in story.stdout
    assert "line 3" in " ".join(story.stdout.split())
    assert ESCAPE not in story.stdout
    unknown = command(daemon, "why", "nobody.csv")
    assert (unknown.returncode, "not in the ledger" in unknown.stderr) == (1, True)

    (daemon.errors / bad).write_text("a,b\n1,2\n")
    retried = command(daemon, "retry", bad)
    assert (retried.returncode, retried.stdout) == (0, "1 file is pending again\n")
    daemon.until(lambda: set(daemon.statuses().values()) == {"completed"})
    assert [event["event"] for event in answer(daemon, "why", bad)["history"]] == ["failed", "retry-requested"]

    again = command(daemon, "reprocess", "good.csv")
    assert (again.returncode, again.stdout) == (0, "1 file is pending again\n")
    daemon.until(lambda: len(list(daemon.events("file.completed"))) == 4)
    everything = command(daemon, "reprocess", "--since", "2020-01-01")
    assert everything.stdout == "3 files are pending again\n"
    assert command(daemon, "verify", "--all").stdout == "4 ok\n"
    assert "good.csv.parquet" in command(daemon, "ls", "good").stdout
    assert daemon.stop() == 0
    told = {fields["event"] for fields in daemon.events()}
    assert {"file.completed", "file.failed", "file.set-aside", "daemon.stopped"} <= told <= events()
    assert len([fields for fields in daemon.events("file.failed") if fields["path"] == bad]) == 1


def test_status_shows_what_is_on_its_way_and_at_which_step(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(MAX_BANDWIDTH=MIB)  # it is on its way for longer than two commands take on any machine
    (daemon.watch / "large.bin").write_bytes(os.urandom(80 * MIB))
    daemon.start()
    daemon.until(lambda: daemon.statuses() == {"large.bin": "in_progress"})

    def flight() -> dict[str, object] | None:
        flights = answer(daemon, "status")["flights"]
        return flights[0] if flights and flights[0]["uploaded_bytes"] else None

    seen = daemon.until(flight)
    assert (seen["path"], seen["step"], seen["size_bytes"]) == ("large.bin", "streaming", 80 * MIB)
    screen = _watched(daemon, "status", "--watch", until="large.bin")
    assert "streaming" in screen
    assert re.search(r"\d+(\.\d+)?/\d+(\.\d+)? MB", screen), "how much of it is uploaded"


def test_without_a_ledger_or_a_daemon_commands_say_so_plainly(daemon: Daemon) -> None:
    for arguments in (("status",), ("why", "x")):
        result = command(daemon, *arguments)
        assert result.returncode == 1
        assert "there is no ledger" in result.stderr
        assert "Traceback" not in result.stderr

    (daemon.watch / "bad.csv").write_text("a,b\n1,2\n1,2,3\n")
    assert daemon.once() == 1
    assert "no daemon is running" in command(daemon, "status").stdout
    assert answer(daemon, "status")["flights"] is None
    assert command(daemon, "retry", "--all").stdout == "1 file is pending again\n"
    assert daemon.statuses() == {"bad.csv": "pending"}
    assert command(daemon, "retry").returncode == 2


def test_a_second_daemon_and_a_lonely_rebuild_are_told_that_one_runs(daemon: Daemon) -> None:
    daemon.start()
    for arguments in (("run", "--once"), ("rebuild",)):
        result = command(daemon, *arguments)
        assert (result.returncode, "another processor runs" in result.stderr) == (1, True), result.stderr


def test_check_tells_what_is_on_and_what_is_missing(daemon: Daemon) -> None:
    good = command(daemon, "check")
    assert good.returncode == 0
    assert "configuration: ok" in good.stdout
    assert "store: writable: True" in good.stdout
    assert "worker: environment scrubbed: on" in good.stdout
    assert "directory: WATCH_PATH: ok" in good.stdout
    bad = command(daemon, "check", WATCH_PATH=str(daemon.home / "no"), ERROR_DIRECTORY="/proc/1/environ/errors")
    assert bad.returncode == 1
    assert f"directory: WATCH_PATH: {daemon.home}/no is not there" in bad.stdout
    assert "directory: ERROR_DIRECTORY: /proc/1/environ is no directory" in bad.stdout
    daemon.errors.mkdir(exist_ok=True)
    daemon.errors.chmod(0o777)
    shared = command(daemon, "check")
    assert shared.returncode == 1
    assert f"directory: ERROR_DIRECTORY: {daemon.errors}: may be written by others" in shared.stdout
    (daemon.home / "feeds.toml").write_text("[[feed]]\nname='a'\nmatch=['*.csv']\ncolour='red'\n")
    wrong = command(daemon, "check", MAX_CONCURRENCY="many", POLL_INTERVAL="0", FEEDS="feeds.toml")
    assert wrong.returncode == 78
    assert "MAX_CONCURRENCY='many'" in wrong.stderr
    assert "colour" in wrong.stderr, "mistakes in feeds are told together with those in settings"
    both = command(daemon, "check", INCLUDE="#", FEEDS="feeds.toml")
    assert both.returncode == 78
    assert "colour" in both.stderr
    assert "INCLUDE='#'" in both.stderr
    assert "POLL_INTERVAL='0'" in wrong.stderr


def test_help_and_completion_know_every_command(daemon: Daemon) -> None:
    text = command(daemon, "--help", COLUMNS="120", TERM="dumb").stdout
    for name in (
        "run",
        "status",
        "why",
        "retry",
        "reprocess",
        "check",
        "plan",
        "dashboard",
        "verify",
        "rebuild",
        "ls",
        "prune",
    ):
        assert re.search(rf"^\W+{name} ", text, re.MULTILINE), name
    assert command(daemon, "complete", "re").stdout.split() == ["retry", "reprocess", "rebuild"]
    assert command(daemon, "complete", "feed", "in").stdout.split() == ["infer"]
    assert command(daemon, "complete", "retry", "--s").stdout.split() == ["--since"]
    script = command(daemon, "completion", "bash").stdout
    shell = f'{script}\nprocessor() {{ {sys.executable} -m processor "$@"; }}\n'
    asked = "COMP_WORDS=(processor re); COMP_CWORD=1; _processor; echo ${COMPREPLY[*]}"
    done = subprocess.run(["bash", "-c", shell + asked], capture_output=True, text=True, check=True, cwd=daemon.home)
    assert done.stdout.split() == ["retry", "reprocess", "rebuild"]


def test_retry_completes_failed_files_but_none_whose_name_means_something_to_a_shell(daemon: Daemon) -> None:
    for name in ("bad-1.csv", "bad-2.csv", "bad-$(reboot).csv", "bad ;3.csv", "bad-4\nx.csv"):
        (daemon.watch / name).write_text("a,b\n1,2\n1,2,3\n")
    (daemon.watch / "bad-good.csv").write_text("a,b\n1,2\n")
    assert daemon.once() == 1
    assert sorted(command(daemon, "complete", "retry", "bad").stdout.splitlines()) == ["bad-1.csv", "bad-2.csv"]


def _watched(daemon: Daemon, *arguments: str, until: str, seconds: float = 30) -> str:
    """Run a command on a terminal until it shows a text, end it by Ctrl-C, and return the screen's text."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "processor", *arguments],
        cwd=daemon.home,
        env=daemon.environment | {"TERM": "xterm", "COLUMNS": "120"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen, deadline = b"", time.monotonic() + seconds
    try:
        while until.encode() not in screen or b"MB" not in screen:
            assert time.monotonic() < deadline, screen.decode()
            if select.select([ours], [], [], 0.2)[0]:
                screen += os.read(ours, 65536)
        process.send_signal(2)
        while select.select([ours], [], [], 5)[0]:
            try:
                screen += os.read(ours, 65536)
            except OSError:  # the terminal is closed
                break
        assert process.wait(10) == 0, screen.decode()
    finally:
        process.kill()
        os.close(ours)
    return screen.decode()


def test_the_upload_rate_is_that_of_files_that_stay_on_their_way() -> None:
    def looked(at_ms: int, **uploaded: int) -> LedgerState:
        flights = tuple({"path": path, "attempt": 1, "uploaded_bytes": count} for path, count in uploaded.items())
        return LedgerState({}, {}, 0, 0, None, None, (), flights, 0, at_ms)

    assert upload_rate(looked(0, a=10, b=50), looked(2000, a=30, c=90)) == 10
    assert upload_rate(looked(0, a=10), looked(0, a=10)) == 0
    assert upload_rate(looked(0), looked(1000, a=10)) == 0

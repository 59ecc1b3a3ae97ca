"""What the watcher waits for and what it leaves alone is shown: `status`, metrics, `check`."""

import json
import urllib.request

from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon
from tests.e2e.daemon import Daemon
from tests.e2e.test_archives import processor


def test_files_that_are_open_and_files_that_are_left_out_are_shown(make_daemon: MakeDaemon, objects: Bucket) -> None:
    daemon = make_daemon(EXCLUDE="*.bak", HTTP_LISTEN="127.0.0.1:0")
    daemon.start()
    (daemon.watch / "a.csv.part").write_text("x\n1\n")
    (daemon.watch / "old.bak").write_text("old")
    with (daemon.watch / "b.txt").open("w") as writer:
        writer.write("first")
        writer.flush()
        daemon.until(lambda: _watch(daemon) == {"open": 1, "left_out": 2, "paths": ["b.txt"]}, every=0.3)
        shown = processor(daemon, "status").stdout
        assert "left out by INCLUDE and EXCLUDE: 2 files" in shown
        assert "open for writing, delivered once closed: 1 files" in shown
        assert "b.txt" in shown
        [listening] = daemon.events("metrics.listening")
        with urllib.request.urlopen(f"http://127.0.0.1:{listening['port']}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        assert "processor_open_files 1.0" in metrics
        assert "processor_left_out_files 2.0" in metrics
    (daemon.watch / "a.csv.part").rename(daemon.watch / "a.csv")
    daemon.until(lambda: daemon.statuses() == {"a.csv": "completed", "b.txt": "completed"})
    assert objects.delivered() == {"a.csv.parquet", "b.txt"}
    assert daemon.stop() == 0


def _watch(daemon: Daemon) -> dict[str, object]:
    watch = json.loads(processor(daemon, "status", "--json").stdout)["watch"]
    return {
        "open": watch["open"],
        "left_out": watch["left_out"],
        "paths": [each["path"] for each in watch["open_files"]],
    }


def test_a_pattern_that_is_none_is_told_before_anything_starts(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(EXCLUDE="*.bak !", INCLUDE="#")
    told = processor(daemon, "run", "--once")
    assert told.returncode == 78
    assert "EXCLUDE='*.bak !'" in told.stderr
    assert "INCLUDE='#'" in told.stderr


def test_check_says_whose_writers_the_kernel_tells_of(daemon: Daemon) -> None:
    assert "open files: " in processor(daemon, "check").stdout

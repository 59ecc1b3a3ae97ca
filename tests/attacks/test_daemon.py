"""A stranger exchanges names while a whole daemon delivers and deletes."""

import os
from pathlib import Path

from tests.attacks.stage import TIME_NS
from tests.attacks.test_races import exchange_at
from tests.attacks.users import STRANGER, meanwhile, need_root
from tests.e2e.bucket import Bucket
from tests.e2e.conftest import MakeDaemon

pytestmark = need_root

_FILES = 24


def test_a_directory_is_swapped_with_a_link_out_while_its_files_are_delivered_and_deleted(
    make_daemon: MakeDaemon, objects: Bucket, tmp_path: Path
) -> None:
    daemon = make_daemon(AFTER_UPLOAD="delete", RESCAN_INTERVAL=500)
    outside = tmp_path / "outside"
    for directory in (daemon.watch / "d", outside):
        directory.mkdir()
        for number in range(_FILES):
            # Some fail: those are moved, not deleted.
            path = directory / f"{number}.{'json' if number % 4 == 0 else 'txt'}"
            path.write_text(f"{{{number:05}")
            os.utime(path, ns=(TIME_NS, TIME_NS))
    (daemon.watch / "link").symlink_to(outside)
    daemon.watch.chmod(0o777)
    before = {path.name: (path.read_bytes(), path.stat().st_ino) for path in outside.iterdir()}
    # The stranger may not enter pytest's directory by its path.
    watch_fd = os.open(daemon.watch, os.O_PATH)

    with meanwhile(STRANGER, lambda: exchange_at(watch_fd, "d", "link")):
        daemon.start()
        daemon.until(lambda: len(daemon.statuses()) > _FILES // 2, timeout=60)
    if not (daemon.watch / "link").is_symlink():
        exchange_at(watch_fd, "d", "link")
    os.close(watch_fd)
    # What a worker was refused amid an exchange is tried again after a minute or more, as what may not be read.
    daemon.until(lambda: not list((daemon.watch / "d").iterdir()), timeout=150)
    assert daemon.stop() == 0

    assert {path.name: (path.read_bytes(), path.stat().st_ino) for path in outside.iterdir()} == before
    # One that was away while it was read has a reason already: what came back lies beside it as NAME~1.
    aside = {path.name for path in daemon.errors.rglob("*.json*") if not path.name.endswith(".reason.json")}
    failed = {name.partition("~")[0] for name in aside}
    names = {name.rpartition("/")[2] for name in objects.delivered()}
    assert failed == {f"{number}.json" for number in range(0, _FILES, 4)}
    assert names == {f"{number}.txt" for number in range(_FILES) if number % 4}

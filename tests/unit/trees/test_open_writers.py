"""Open writers, on the real kernel: opened, mapped, through another name, by another process."""

import mmap
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from processor.trees.open_writers import Writers, file_system_of, hides_writers, is_open_for_writing, writers_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a"
    file.write_bytes(b"content")
    return file


def look(path: Path) -> Writers:
    fd = os.open(path, os.O_RDONLY)
    try:
        return writers_of(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("mode", ["r+b", "ab", "wb"])
def test_a_writer_is_seen_as_long_as_it_has_the_file_open(path: Path, mode: str) -> None:
    assert look(path) is Writers.NONE
    with path.open(mode):
        assert look(path) is Writers.SOME
    assert look(path) is Writers.NONE


def test_readers_do_not_count(path: Path) -> None:
    with path.open("rb"):
        assert look(path) is Writers.NONE


def test_a_writer_through_another_name_or_a_mapping_is_seen(path: Path) -> None:
    other = path.with_name("b")
    os.link(path, other)
    with other.open("ab"):
        assert look(path) is Writers.SOME
    with other.open("r+b") as file:
        mapping = mmap.mmap(file.fileno(), 0)
    assert look(path) is Writers.SOME
    mapping.close()
    assert look(path) is Writers.NONE


def test_a_descriptor_that_can_have_no_lease_tells_nothing(path: Path) -> None:
    for flags in (os.O_PATH, os.O_RDWR):
        fd = os.open(path, flags)
        assert writers_of(fd) is (Writers.UNTOLD if flags == os.O_PATH else Writers.SOME)
        os.close(fd)


def test_writers_that_come_at_any_moment_are_neither_held_up_nor_do_their_signals_end_us(path: Path) -> None:
    assert signal.getsignal(signal.SIGIO) is signal.SIG_DFL
    program = f"for _ in range(3000): open({str(path)!r}, 'ab').close()"
    writer = subprocess.Popen([sys.executable, "-c", program])
    fd = os.open(path, os.O_RDONLY)
    seen = {writers_of(fd)}
    while writer.poll() is None:
        seen.add(writers_of(fd))
    os.close(fd)
    assert writer.returncode == 0
    assert Writers.NONE in seen
    assert Writers.UNTOLD not in seen


def test_threads_may_ask_about_one_file_at_the_same_time(path: Path) -> None:
    answers: list[Writers] = []
    threads = [threading.Thread(target=lambda: answers.extend(look(path) for _ in range(200))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) == {Writers.NONE}


def test_a_file_of_another_user_is_untold_without_the_capability(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    path.chmod(0o644)
    os.chown(path, 12345, 12345)
    for parent in path.parents:
        if parent.stat().st_uid == 0 and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    program = (
        "import os; os.setgid(54321); os.setuid(54321)\n"
        "from processor.trees.open_writers import writers_of\n"
        f"print(writers_of(os.open({str(path)!r}, os.O_RDONLY)).name)"
    )
    code = f"import sys; sys.path.insert(0, {os.getcwd()!r})\nimport processor.trees.open_writers\n{program}"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.stdout.strip() == "UNTOLD", answer.stderr


def test_the_type_of_a_file_system_is_known_and_which_of_them_hide_writers_of_other_hosts(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    name = file_system_of(fd)
    assert name
    assert f" {name} " in Path("/proc/mounts").read_text()
    assert not is_open_for_writing(fd)
    os.close(fd)
    proc = os.open("/proc/version", os.O_RDONLY)
    assert file_system_of(proc) == "proc"
    os.close(proc)
    assert all(map(hides_writers, ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "9p")))
    assert not any(map(hides_writers, ("ext4", "xfs", "btrfs", "overlay", "tmpfs", "zfs")))

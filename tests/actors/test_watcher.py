"""The Watcher: a real tree, offered in batches to whoever answers in Progress's place."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from processor.actors.messages import Drain, FilesFound, LookAgain, Ping, WatchIdle
from processor.actors.watcher import Watcher
from processor.ledger.records import Intake
from processor.watch.settings import WatchSettings
from processor.watch.tree import Look, Tree
from tests.actors.among_listeners import SECONDS, Stage

Enter = Callable[..., None]


@pytest.fixture
def moved() -> list[None]:
    return []


@pytest.fixture
def stage() -> Any:
    """Have Progress know of every file already."""
    with Stage(lambda _message: Intake(0, 0, 1)) as opened:
        yield opened


@pytest.fixture
def enter(stage: Stage, root: Path, moved: list[None]) -> Enter:
    def start() -> None:
        settings = WatchSettings(os.fsencode(root), settle_seconds=0.05, poll_seconds=0.01)
        stage.enter("watcher", Watcher, Tree(settings), lambda: moved.append(None))

    return start


def test_what_lies_there_is_offered_and_then_told_to_be_all(stage: Stage, root: Path, enter: Enter) -> None:
    (root / "below").mkdir()
    for name in ("a.bin", "below/b.bin"):
        (root / name).write_bytes(b"a")
    enter()
    found: list[bytes] = []
    while not isinstance(message := stage.heard["progress"].get(timeout=SECONDS), WatchIdle):
        found += [file.relative_path for file in message.files]
    assert sorted(found) == [b"a.bin", b"below/b.bin"]


def test_nothing_there_is_told_at_once_and_only_once(stage: Stage, root: Path, enter: Enter) -> None:
    enter()
    stage.hear("progress", WatchIdle)
    (root / "a.bin").write_bytes(b"a")
    (file,) = stage.hear("progress", FilesFound).files
    status = (root / "a.bin").stat()
    assert (file.relative_path, file.size_bytes, file.modified_ns) == (b"a.bin", 1, status.st_mtime_ns)
    assert file.identity is not None
    assert file.identity.inode == status.st_ino
    assert file.watched_ms >= 0
    (root / "b.bin").write_bytes(b"b")
    stage.hear("progress", FilesFound)
    assert not any(isinstance(each, WatchIdle) for each in stage.told("progress"))


def test_many_files_are_offered_in_batches_one_after_the_other(root: Path, moved: list[None]) -> None:
    asked, answered = threading.Semaphore(0), threading.Semaphore(0)

    def slowly(message: Any) -> Intake | None:
        if isinstance(message, FilesFound):
            asked.release()
            assert answered.acquire(timeout=SECONDS)
        return Intake(0, 0, 1)

    for number in range(1001):
        (root / f"{number}.bin").touch()
    with Stage(slowly) as stage:
        settings = WatchSettings(os.fsencode(root), settle_seconds=0.05, poll_seconds=0.01)
        stage.enter("watcher", Watcher, Tree(settings), lambda: moved.append(None))
        found = 0
        while found < 1001:
            assert asked.acquire(timeout=SECONDS)
            batch = stage.hear("progress", FilesFound)
            assert len(batch.files) <= 1000
            assert not asked.acquire(timeout=0), "it waits for the answer"
            found += len(batch.files)
            answered.release()


def test_a_file_is_offered_again_when_it_is_asked_for(stage: Stage, root: Path, enter: Enter) -> None:
    (root / "a.bin").write_bytes(b"a")
    enter()
    stage.hear("progress", FilesFound)
    stage.tell(LookAgain(b"never/there"), LookAgain(b"a.bin"))
    (file,) = stage.hear("progress", FilesFound).files
    assert file.relative_path == b"a.bin"


def test_a_drain_ends_the_looking_but_not_the_watcher(stage: Stage, root: Path, moved: list[None]) -> None:
    looks: list[float] = []

    class Counted(Tree):
        def look(self, timeout_seconds: float) -> Look:
            looks.append(timeout_seconds)
            return super().look(min(timeout_seconds, 0.01))

    stage.enter("watcher", Watcher, Counted(WatchSettings(os.fsencode(root))), lambda: moved.append(None))
    stage.hear("progress", WatchIdle)
    stage.tell(Drain())
    assert stage.ref.ask(Ping(), timeout=SECONDS)
    before = len(looks)
    for _ in range(3):
        assert stage.ref.ask(Ping(), timeout=SECONDS)
    assert len(looks) == before, "a look would have come before each answer"


def test_another_directory_in_the_root_s_place_is_told_to_the_workers(
    stage: Stage, root: Path, enter: Enter, moved: list[None]
) -> None:
    enter()
    stage.hear("progress", WatchIdle)
    root.rename(root.with_name("before"))
    root.mkdir()
    (root / "a.bin").write_bytes(b"a")
    stage.hear("progress", FilesFound)
    assert moved == [None]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watcher_that_gets_no_answer_dies_and_tells_why(root: Path, moved: list[None]) -> None:
    def refuse(message: Any) -> None:
        if isinstance(message, FilesFound):
            raise ArithmeticError("a bug of Progress")  # noqa: TRY004 - it stands for any

    (root / "a.bin").write_bytes(b"a")
    with Stage(refuse) as stage:
        settings = WatchSettings(os.fsencode(root), settle_seconds=0.05, poll_seconds=0.01)
        stage.enter("watcher", Watcher, Tree(settings), lambda: moved.append(None))
        name, error = stage.died.get(timeout=SECONDS)
        assert (name, str(error)) == ("watcher", "a bug of Progress")
        assert stage.ref.actor_stopped.wait(SECONDS)

"""What tests of actors share: one actor among listeners, an engine that runs inline, jobs as Progress makes them."""

import os
import queue
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import pykka

from processor.actors.messages import KeysWanted, Meet, PartStored
from processor.actors.routes import Routes
from processor.domain.feeds import NO_FEEDS, Feeds
from processor.domain.files import FileMetadata
from processor.domain.identity import Identity
from processor.domain.jobs import Job
from processor.streams.inbox import Inbox
from processor.streams.worker_end import set_worker_end

SECONDS = 30.0
NAMES = ("watcher", "checksummer", "extractor", "converter", "uploader", "progress", "registrar")
_Message = TypeVar("_Message")


class Listener(pykka.ThreadingActor):
    """Writes down what it is told, and answers who waits as Progress would, or as `answer` does."""

    use_daemon_thread = True

    def __init__(self, heard: "queue.SimpleQueue[Any]", answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self.heard = heard
        self.answer = answer

    def on_receive(self, message: Any) -> Any:
        self.heard.put(message)
        match message:
            case PartStored(recorded=recorded):
                self.answer(message)
                recorded.set()
            case KeysWanted(answer=wanted):
                wanted.put(self.answer(message))
            case _:
                return self.answer(message)
        return None


@dataclass
class Stage:
    """One actor, `ref`, among listeners; `died` are the deaths that were told. Use as a context manager."""

    answer: Callable[[Any], Any] = lambda _message: None
    died: "queue.SimpleQueue[tuple[str, BaseException]]" = field(default_factory=queue.SimpleQueue)
    ref: Any = None

    def __post_init__(self) -> None:
        self.heard: dict[str, queue.SimpleQueue[Any]] = {name: queue.SimpleQueue() for name in NAMES}
        self.others = {name: Listener.start(self.heard[name], self.answer) for name in NAMES}

    def enter(self, name: str, actor: type[pykka.ThreadingActor], *arguments: Any) -> None:
        """Start the actor in its place and introduce it to the others."""
        self.ref = actor.start(lambda name, error: self.died.put((name, error)), *arguments)
        self.ref.tell(Meet(Routes(**{**self.others, name: self.ref})))

    def tell(self, *messages: Any) -> None:
        for message in messages:
            self.ref.tell(message)

    def hear(self, name: str, kind: type[_Message]) -> _Message:
        """Wait until the listener is told such a message; return it, and drop what it was told before."""
        while not isinstance(message := self.heard[name].get(timeout=SECONDS), kind):
            pass
        return message

    def told(self, name: str) -> list[Any]:
        """Return what the listener was told since; whoever asks knows that it was told it."""
        found = []
        while not self.heard[name].empty():
            found.append(self.heard[name].get())
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for ref in (self.ref, *self.others.values()):
            ref.stop(timeout=SECONDS)


class InlinePool:
    """A pool in this process: each task has a thread. `fails` says by the function's name what a task ends with."""

    def __init__(self, inbox: Inbox) -> None:
        set_worker_end(inbox.worker_end)
        self.fails: dict[str, BaseException] = {}
        self.submitted: list[tuple[str, Any, str]] = []
        self._converting = threading.Lock()  # a process has one session of DuckDB
        self.hold = threading.Event()  # tasks wait for it
        self.hold.set()

    def submit(self, function: Callable[[Any], Any], request: Any, below: str = "") -> "Future[Any]":
        self.submitted.append((function.__name__, request, below))
        work: Future[Any] = Future()

        def run() -> None:
            self.hold.wait(SECONDS)
            if not work.set_running_or_notify_cancel():
                return
            try:
                with self._converting if function.__name__ == "stream_conversion" else nullcontext():
                    result = function(request) if function.__name__ not in self.fails else None
            except BaseException as error:  # noqa: BLE001 - handed back, as every engine does
                work.set_exception(error)
            else:
                failure = self.fails.get(function.__name__)
                work.set_result(result) if failure is None else work.set_exception(failure)

        threading.Thread(target=run, daemon=True).start()
        return work


def job_of(path: Path, root: Path, *, attempt: int = 1, feeds: Feeds = NO_FEEDS, **known: Any) -> Job:
    """Return the job that Progress admits for the file."""
    status = os.lstat(path)
    relative = os.fsencode(path.relative_to(root))
    file = FileMetadata(
        os.fsencode(path), relative, status.st_size, status.st_mtime_ns, 0, identity=Identity.of(status)
    )
    return Job(str(uuid.uuid4()), 1, file.among(feeds, relative), attempt, 0, **known)

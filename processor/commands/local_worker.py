"""A confined worker for the time of one command."""

import os
import re
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from processor.config.choices import SandboxMode
from processor.config.settings import Settings
from processor.delivery.examine import examine
from processor.domain.errors import DeliveryError, refused
from processor.domain.files import FileMetadata
from processor.engine.pool import Pool
from processor.feeds.load import load_feeds
from processor.sandbox.confine import Limits
from processor.streams.inbox import Inbox
from processor.streams.object_stream import ObjectStream, result_of, start_stream

_LONGEST_ANSWER = 16 << 20  # the columns of the widest table, with the reason for each type

_OUTWARDS = re.compile(rb"^/+|^(?:\.\./)+")

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")


class LocalWorker(AbstractContextManager["LocalWorker"]):
    """One worker at a time, which may read what was admitted last, and nothing else."""

    def __init__(self, settings: Settings) -> None:
        """Raise ConfigurationError when the settings name feeds that can not be used."""
        self._settings = settings
        self._silent_seconds = settings.worker_timeout / 1000
        self._feeds = load_feeds(settings)
        self._inbox = Inbox()
        limits = Limits(settings.worker_memory, ("/",), required=settings.sandbox is SandboxMode.REQUIRE)
        self._pool = Pool(1, limits, self._inbox.worker_end, longest_answer=_LONGEST_ANSWER)
        self._below: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop()
        self._inbox.close()

    def examine(self, path: Path) -> tuple[bytes, FileMetadata]:
        """Return directory and metadata, checksum and kind included, of the file at `path`.

        Raises DeliveryError when it can not be read.
        """
        whole = os.fsencode(os.path.abspath(path))
        directory, name = os.path.split(whole)
        root = os.path.realpath(directory)  # whoever runs a command means what the path leads to
        self.admit(os.fsdecode(root))
        try:
            status = os.stat(whole)
        except OSError as error:
            raise unreadable(path, error) from error
        file = FileMetadata(whole, name, status.st_size, status.st_mtime_ns, status.st_mtime_ns)
        file = file.among(self._feeds, self.feed_path(path))
        return root, examine(root, file)

    def feed_path(self, path: Path) -> bytes:
        """Return what the feeds' patterns are about: the path below WATCH_PATH; outside of it, the path as given."""
        whole, root = os.fsencode(os.path.abspath(path)), os.fsencode(self._settings.watch_path)
        if root != b"/" and whole.startswith(root + b"/"):
            return whole.removeprefix(root + b"/")
        return _OUTWARDS.sub(b"", os.fsencode(os.path.normpath(path)))

    def stream(self, function: Callable[[_Request], None], request: Callable[[str], _Request]) -> ObjectStream:
        """Start `function(request(stream_id))` and return its object stream; the caller closes it."""
        return start_stream(self._inbox, lambda id_: self._submit(function, request(id_)), self._silent_seconds)

    def call(self, function: Callable[[_Request], _Result], request: _Request) -> _Result:
        """Return `function(request)` as computed in the worker. Raises DeliveryError."""
        return result_of(self._submit(function, request), self._silent_seconds)

    def _submit(self, function: Callable[[_Request], _Result], request: _Request) -> "Future[_Result]":
        return self._pool.submit(function, request, self._below or "")

    def admit(self, directory: str) -> None:
        """Let the worker read below `directory`, unless it may: another worker, which reads nothing else."""
        wanted = os.path.realpath(directory).lstrip("/")
        if self._below is None or not f"{wanted}/".startswith(f"{self._below}/".lstrip("/")):
            self._below = wanted


def unreadable(path: Path, error: OSError) -> DeliveryError:
    """Return the error for a file that the operating system does not let us read."""
    return refused("source.unreadable", f"{path}: {error.strerror}")

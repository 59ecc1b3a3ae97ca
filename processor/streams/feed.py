"""Feed a pipe from a thread, for readers of descriptors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from processor.streams.source import Source
from processor.streams.threads import BoundedThread

_PIECE_BYTES = 128 << 10
_BUFFER_BYTES = 256 << 10


@contextmanager
def fed_pipe(pieces: Iterator[bytes]) -> Iterator[int]:
    """Yield the read end of a pipe that a thread fills with `pieces`; `/dev/fd/N` can be opened and read once.

    The reader may leave before the end. What the pieces raised is raised when the context is left, in place of what
    the reader made of it: until then a pipe that ended early looks like one that is complete.
    """
    read_end, write_end = os.pipe()
    errors: list[Exception] = []
    feeder = BoundedThread(target=_feed, args=(pieces, write_end, errors), name="feed", daemon=True)
    feeder.start()
    try:
        yield read_end
    except Exception as error:
        if errors:
            raise errors[0] from error
        raise
    finally:
        os.close(read_end)
        feeder.join()
    if errors:
        raise errors[0]


def _feed(pieces: Iterator[bytes], write_end: int, errors: list[Exception]) -> None:
    try:
        with open(write_end, "wb", buffering=_BUFFER_BYTES) as pipe:
            try:
                pipe.writelines(pieces)
            except BrokenPipeError:
                raise
            except Exception as error:  # noqa: BLE001 - handed to the thread that reads
                errors.append(error)  # before the pipe is closed: who reads to its end finds it
    except BrokenPipeError:
        pass  # the reader has had enough


@contextmanager
def readable_fd(source: Source) -> Iterator[int]:
    """Yield a descriptor to read `source` from: of the plain file, or of a pipe as `fed_pipe` yields it."""
    if source.path_fd is not None:
        yield source.path_fd
        return
    with source.open() as file, fed_pipe(iter(partial(file.read, _PIECE_BYTES), b"")) as fd:
        yield fd

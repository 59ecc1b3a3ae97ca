"""Give a source to a reader that needs a descriptor."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from processor.streams.source import Source
from processor.streams.threads import BoundedThread

_PIECE_BYTES = 128 << 10


@contextmanager
def readable_fd(source: Source) -> Iterator[int]:
    """Yield a descriptor whose `/dev/fd/N` can be opened and read once: the plain file, or a pipe that a thread feeds.

    The reader may leave before the end. What reading the source raised is raised when the context is left: until then
    a pipe that ended early looks like one that is complete.
    """
    if source.path_fd is not None:
        yield source.path_fd
        return
    read_end, write_end = os.pipe()
    errors: list[Exception] = []
    feeder = BoundedThread(target=_feed, args=(source, write_end, errors), name="feed", daemon=True)
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


def _feed(source: Source, write_end: int, errors: list[Exception]) -> None:
    try:
        with source.open() as file:
            while piece := file.read(_PIECE_BYTES):
                left = memoryview(piece)
                while left:
                    left = left[os.write(write_end, left) :]
    except BrokenPipeError:
        pass  # the reader has had enough
    except Exception as error:  # noqa: BLE001 - handed to the thread that reads
        errors.append(error)
    finally:
        os.close(write_end)

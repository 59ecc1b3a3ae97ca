"""One entry of an archive, as its reader found it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from processor.domain.errors import Failure

Pieces = Iterator[bytes]


@dataclass(slots=True)
class Entry:
    """What an archive's reader hands out.

    `first` is the content as it passes, to be read before the next entry is asked for, or not at all; `again` makes
    it anew from its first byte, as often as wanted. Both yield pieces of about `codecs.PIECE_BYTES` at most and end
    only when the content is whole and all its checks were passed; else they raise DeliveryError. `about_bytes` is a
    guess where the size is not known; `behind_bytes` have to be read before the content can be read anew. `not_a_file`
    tells what a link or device is; `failure` why a file can not be read. Only one of the three can be told.
    """

    name: bytes
    raw_name: bytes
    size_bytes: int | None
    first: Pieces | None = None
    again: Callable[[], Pieces] | None = None
    not_a_file: str = ""
    failure: Failure | None = None
    about_bytes: int | None = None
    behind_bytes: int = 0

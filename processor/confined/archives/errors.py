"""Archive failures: one bad member, or the whole archive.

A DeliveryError while a member is read costs that member. A BrokenArchiveError costs the archive: nothing behind that
place can be trusted, and the members before it are delivered.
"""

from processor.domain.errors import DeliveryError, ErrorClass, Failure, refused


class BrokenArchiveError(DeliveryError):
    """The container can not be read any further."""


class TooMuchError(BrokenArchiveError):
    """A limit of the archive as a whole is passed; within a nested archive it ends the outer ones too."""


class NotOpenedError(Exception):
    """A nested archive is better kept as it is, for the reason told; nothing of it has been delivered."""


class CorruptError(Exception):
    """Compressed bytes do not hold what was compressed; whoever reads them knows what that costs."""


def broken(code: str, message: str, hint: str = "") -> BrokenArchiveError:
    """Return the error for a container that is damaged for good."""
    return BrokenArchiveError(Failure(ErrorClass.PERMANENT, f"archive.{code}", message, hint))


def bad_member(code: str, message: str, hint: str = "") -> DeliveryError:
    """Return the error for one member that can not be delivered."""
    return refused(f"archive.{code}", message, hint)


def unreadable(error: OSError) -> BrokenArchiveError:
    """Return the error for an archive that the disk does not give us."""
    text = f"reading the archive failed: {error.strerror or error}"
    return BrokenArchiveError(Failure(ErrorClass.TRANSIENT, "archive.unreadable", text))


def shown(name: bytes) -> str:
    """Return a stranger's name as it may stand in a message."""
    return repr(name.decode("utf-8", "backslashreplace"))

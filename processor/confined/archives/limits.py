"""Limits on the bytes and members that an archive yields."""

from processor.confined.archives.errors import TooMuchError, bad_member
from processor.domain.archives import ArchiveLimits
from processor.domain.errors import ErrorClass, Failure

_RAISE = "is more than {setting}={limit} allows; raise it if the archive can be trusted"


class Meter:
    """Counts for one archive on the disk, whatever is nested within. Raises where a limit is passed."""

    def __init__(self, limits: ArchiveLimits, archive_bytes: int) -> None:
        self.limits = limits
        self._archive_bytes = max(1, archive_bytes)
        self.entries = 0
        self.bytes_out = 0

    def fork(self) -> "Meter":
        """Return a meter that goes on from here by itself, for bytes that are looked at once more."""
        other = Meter(self.limits, self._archive_bytes)
        other.entries, other.bytes_out = self.entries, self.bytes_out
        return other

    def count_entry(self) -> int:
        """Count an entry and return its index. Raises TooMuchError."""
        self.entries += 1
        if self.entries > self.limits.members:
            raise _too_much(f"entry {self.entries}", "MAX_ARCHIVE_MEMBERS", self.limits.members)
        return self.entries - 1

    def count(self, size: int) -> None:
        """Count bytes that came out. Raises TooMuchError."""
        self.bytes_out += size
        self.check(self.bytes_out)

    def check(self, bytes_out: int) -> None:
        """Raise TooMuchError when so much may not come out."""
        if bytes_out > self.limits.archive_bytes:
            raise _too_much(f"{bytes_out} bytes in all", "MAX_ARCHIVE_BYTES", self.limits.archive_bytes)
        if bytes_out > self.limits.ratio_free_bytes and bytes_out > self.limits.ratio * self._archive_bytes:
            what = f"{bytes_out} bytes from {self._archive_bytes}"
            raise _too_much(what, "MAX_ARCHIVE_RATIO", self.limits.ratio)

    def check_member(self, size: int) -> None:
        """Raise DeliveryError when one member may not be so large."""
        if size > self.limits.member_bytes:
            what = _RAISE.format(setting="MAX_MEMBER_BYTES", limit=self.limits.member_bytes)
            raise bad_member("member-too-large", f"a member of {size} bytes {what}")

    def check_depth(self, depth: int) -> None:
        """Raise DeliveryError when an archive may not be opened so deep within others."""
        if depth > self.limits.depth:
            what = _RAISE.format(setting="MAX_ARCHIVE_DEPTH", limit=self.limits.depth)
            raise bad_member("too-deep", f"an archive at depth {depth} {what}", "NESTED_ARCHIVES=keep opens none")


def _too_much(what: str, setting: str, limit: int) -> TooMuchError:
    text = f"{what} {_RAISE.format(setting=setting, limit=limit)}"
    return TooMuchError(Failure(ErrorClass.PERMANENT, "archive.too-large", text))

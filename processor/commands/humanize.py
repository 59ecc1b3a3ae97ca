"""Format sizes, durations and times for people."""

from datetime import UTC, datetime


def size(count: float | None) -> str:
    """Return a number of bytes for eyes."""
    amount = float(count or 0)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":  # noqa: PLR2004 - SI prefixes
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("every size has a unit")


def span(milliseconds: float) -> str:
    """Return a duration for eyes."""
    seconds = int(milliseconds / 1000)
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def moment(milliseconds: float) -> str:
    """Return a point in time, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def plain(text: object) -> str:
    r"""Return a stranger's text for one line of a terminal or page: control and direction characters as `\x1b`.

    Names may hold escape sequences, line ends, and marks that turn the direction of writing.
    """
    return "".join(each if each.isprintable() else _spelt(each) for each in str(text))


def _spelt(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004

"""Format sizes, durations and times for people."""

import time

from processor.domain.keys import plain as plain  # noqa: PLC0414 - for people, too


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
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(milliseconds / 1000))


def zoned(milliseconds: float) -> str:
    """Return a point in time with its zone."""
    return f"{moment(milliseconds)} UTC"

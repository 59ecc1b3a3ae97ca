"""Points in time as operators write them."""

import re
from datetime import UTC, datetime, timedelta

HINT = "such as 2d, 12h, 30min, yesterday, 2026-01-31 or 2026-01-31T12:00; UTC unless an offset is given"
_AGO = re.compile(r"(\d{1,6})\s*(w|d|h|min|m|s)(?:\s+ago)?")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "min": "minutes", "m": "minutes", "s": "seconds"}
_DAYS = {"today": 0, "yesterday": 1}


def since_ms(text: str, now: datetime) -> int:
    """Return a point in time in ms since the epoch. Raises ValueError that tells what would be understood."""
    return int(_moment(text.strip().lower(), now).timestamp() * 1000)


def _moment(text: str, now: datetime) -> datetime:
    if ago := _AGO.fullmatch(text):
        try:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError as error:
            raise ValueError(f"{text!r} is too long ago ({HINT})") from error
    if text == "now":
        return now
    if text in _DAYS:
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=_DAYS[text])
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise ValueError(f"{text!r} is no time ({HINT})") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

"""Times as operators write them: understood, or told plainly."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from processor.commands.when import since_ms

NOW = datetime(2026, 3, 1, 14, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2d", NOW - timedelta(days=2)),
        ("12 h", NOW - timedelta(hours=12)),
        ("30min ago", NOW - timedelta(minutes=30)),
        ("1w", NOW - timedelta(weeks=1)),
        ("now", NOW),
        ("Yesterday", datetime(2026, 2, 28, tzinfo=UTC)),
        ("today", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31 12:00+02:00", datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))),
        ("2026-01-31T12:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_time_is_understood(text: str, meant: datetime) -> None:
    assert since_ms(text, NOW) == int(meant.timestamp() * 1000)


@pytest.mark.parametrize("text", ["", "tomorrow", "2", "2026-13-01", "d2", "99999999d", "31.01.2026", "999999w"])
def test_what_is_no_time_is_told_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2d, 12h"):
        since_ms(text, NOW)

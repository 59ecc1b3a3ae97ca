"""Filters of lists of files, from and to an address."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from processor.dashboard.records import Sort
from processor.domain.status import Status
from processor.ledger.chosen import ChosenFiles

NO_FEED = "(none)"
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Filter:
    """Texts of a form; "" does not matter. `since` and `until` are days, in UTC, both of them meant."""

    q: str = ""
    status: str = ""
    code: str = ""
    feed: str = ""
    since: str = ""
    until: str = ""
    sort: str = ""

    def selection(self) -> ChosenFiles:
        """Return the files that are meant."""
        feed = None if not self.feed else "" if self.feed == NO_FEED else self.feed
        status = Status(self.status) if self.status else None
        return ChosenFiles(self.q, status, self.code or None, feed, _day_ms(self.since), _day_ms(self.until, 1))

    @property
    def order(self) -> Sort:
        """Return how the list is sorted."""
        return Sort(self.sort) if self.sort else Sort.LATEST

    @property
    def narrows(self) -> bool:
        """Tell whether anything but the status and the order is chosen."""
        return replace(self, status="", sort="") != Filter()

    def link(self, **changes: str) -> str:
        """Return the query of the same list with these changes."""
        fields = {name: value for name, value in (asdict(self) | changes).items() if value}
        return urlencode(fields, errors="surrogateescape")

    def fields(self) -> dict[str, str]:
        """Return what is chosen, by the form's names."""
        return {name: value for name, value in asdict(self).items() if value}


def filter_from(arguments: dict[str, str]) -> Filter:
    """Return the filter of an address; what is no value of a field is left out."""
    given = Filter(**{name: arguments.get(name, "")[:_LONGEST] for name in asdict(Filter())})
    return replace(
        given,
        status=given.status if given.status in set(Status) else "",
        sort=given.sort if given.sort in set(Sort) else "",
        since=given.since if _day_ms(given.since) is not None else "",
        until=given.until if _day_ms(given.until, 1) is not None else "",
    )


def _day_ms(text: str, days: int = 0) -> int | None:
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)

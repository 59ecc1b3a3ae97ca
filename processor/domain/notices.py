"""Events that others are told of, as CloudEvents."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

MOST_EVENTS = 100  # in one request
MOST_BYTES = 256 << 10
MOST_WAITING = 100_000  # in the ledger; then the oldest are dropped, and that is an event, too
DROPPED_TOGETHER = 1000


class EventType(StrEnum):
    """Types of events; the names are a contract with receivers."""

    COMPLETED = "processor.file.completed"
    FAILED = "processor.file.failed"
    DRIFT = "processor.feed.drift"
    OUTAGE_BEGUN = "processor.outage.begun"
    OUTAGE_ENDED = "processor.outage.ended"
    LOST = "processor.events.lost"
    CHECK = "processor.check"


# By the words of NOTIFY_EVENTS.
CHOICES = {
    "completed": frozenset({EventType.COMPLETED}),
    "failed": frozenset({EventType.FAILED}),
    "drift": frozenset({EventType.DRIFT}),
    "outage": frozenset({EventType.OUTAGE_BEGUN, EventType.OUTAGE_ENDED}),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """An event that waits in the ledger; `data` is JSON, `subject` the escaped path of a file, or ""."""

    id: int
    at_ms: int
    type: str
    subject: str
    data: str


def cloud_event(notice: Notice, source: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event's attributes: "CloudEvents - Version 1.0.2" and its JSON format.

    `source` and `id` together name the event: it is the same whenever it is sent again, and no other ever is.
    """
    return {
        "specversion": "1.0",
        "id": f"{notice.at_ms:x}-{notice.id:x}",  # the number alone begins anew with a new ledger
        "source": source,
        "type": notice.type,
        **({"subject": notice.subject} if notice.subject else {}),
        "time": datetime.fromtimestamp(notice.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        "data": dict(data),
    }

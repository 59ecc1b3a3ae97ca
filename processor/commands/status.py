"""`processor status`: where everything stands.

Imports next to nothing: it is asked every few seconds by people and programs.
"""

import time
from dataclasses import dataclass, field
from typing import Annotated, Any

from processor.config.environment import Places
from processor.daemon.control_socket import NotRunningError, ask, request
from processor.domain.status import WATCH, Order, Status
from processor.ledger.summary import TableStanding, standing_of_tables, summary

_MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Where everything stands."""

    counts: Annotated[dict[str, int], "files by status: `pending`, `in_progress`, `completed`, `failed`"]
    bytes_by_status: Annotated[dict[str, int], "their bytes; a status without files is left out"]
    completed_last_hour: Annotated[int, "files"]
    bytes_last_hour: Annotated[int, "their bytes"]
    oldest_waiting_ms: Annotated[int | None, "how long the file waits that is due first"]
    oldest_waiting_path: Annotated[str | None, "which it is"]
    failures: Annotated[
        tuple[dict[str, Any], ...], "the last 20: `file_path`, `error_message`, `tries`, `updated_at` (ms)"
    ]
    flights: Annotated[
        tuple[dict[str, Any], ...] | None,
        "files in flight: `path`, `step`, `attempt`, `size_bytes`, `uploaded_bytes`, `objects` stored, `seconds`;"
        " null: no daemon runs",
    ]
    ledger_bytes: Annotated[int, "size of the ledger with its log"]
    at_ms: Annotated[int, "when this was asked, in ms since the epoch"]
    hindrances: Annotated[tuple[str, ...], "why nothing is delivered, if so"] = ()
    outdated: Annotated[dict[str, int], "by feed: files delivered under an older declaration"] = field(
        default_factory=dict
    )
    watch: Annotated[
        dict[str, Any] | None,
        "`open` files (`open_files`: which), `unreadable` ones (`unreadable_files`), `left_out` by INCLUDE and EXCLUDE;"
        " null like flights",
    ] = None
    tables: Annotated[
        tuple[TableStanding, ...],
        "`name`, `files`, `rows`, `waiting`, `waiting_since_ms`, `refused`, `commits`, `snapshot`, `committed_ms`",
    ] = ()
    catalog_problem: Annotated[str, "why the catalog of tables does not answer; empty: it does, or there is none"] = ""


def state(places: Places, outdated: dict[str, int] | None = None) -> LedgerState:
    """Return where everything stands. Raises FileNotFoundError when there is no ledger yet."""
    now = time.time_ns() // 1_000_000
    figures = summary(places.ledger, now, _MOST_FAILURES)
    flights = asked(places, Order.FLIGHTS)
    oldest = figures.oldest_waiting
    return LedgerState(
        counts=dict.fromkeys(map(str, Status), 0) | {status: count for status, count, _ in figures.by_status},
        bytes_by_status={status: size for status, _, size in figures.by_status},
        completed_last_hour=figures.last_hour[0],
        bytes_last_hour=figures.last_hour[1],
        oldest_waiting_ms=None if oldest is None else now - oldest[0],
        oldest_waiting_path=None if oldest is None else oldest[1],
        failures=figures.failures,
        flights=None if flights is None else tuple(flights),
        ledger_bytes=figures.size_bytes,
        at_ms=now,
        hindrances=tuple(asked(places, Order.HINDRANCES) or ()),
        watch=None if flights is None else asked(places, WATCH),
        tables=standing_of_tables(places.ledger),
        catalog_problem=asked(places, Order.CATALOG) or "",
        outdated=outdated or {},
    )


def asked(places: Places, order: str) -> Any:
    """Return what the daemon says; None when none runs, or it does not say."""
    try:
        return ask(places.control_socket, request(order))
    except (NotRunningError, OSError, ValueError):
        return None


def upload_rate(before: LedgerState, after: LedgerState) -> float:
    """Return bytes a second that were uploaded meanwhile, of files that were on their way at both times."""
    if not before.flights or not after.flights or after.at_ms <= before.at_ms:
        return 0.0
    had = {(flight["path"], flight["attempt"]): flight["uploaded_bytes"] for flight in before.flights}
    grown = (
        flight["uploaded_bytes"] - had.get((flight["path"], flight["attempt"]), flight["uploaded_bytes"])
        for flight in after.flights
    )
    return float(sum(grown)) * 1000 / (after.at_ms - before.at_ms)

"""`processor prune`: remove objects that no manifest names.

Meanwhile nothing is admitted: a running daemon is asked to hold, else the ledger's lock is taken. So what is found of
an object still holds when it is removed.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Self

from processor.commands.tables import kept_by_tables
from processor.commands.unnamed import Examination, Unnamed, candidates
from processor.config.settings import Settings
from processor.daemon.control_socket import NotRunningError, ask, request
from processor.daemon.factories import open_store
from processor.domain.status import HOLD_SECONDS, Order
from processor.ledger.database import Lock
from processor.store.s3 import S3Store
from processor.store.verification import Finding

_FRESH_SECONDS = HOLD_SECONDS / 3  # so that a request which the store answers at its last moment is in time, too


@dataclass(slots=True)
class Pruned:
    """Objects that no manifest names."""

    removed: Annotated[bool, "they are removed; else they are only shown"]
    objects: Annotated[Iterator[Unnamed], "`key`, `size_bytes`, `finding`, `kept` (why it stays; empty: it does not)"]
    count: Annotated[int, "how many do not stay"] = 0
    size_bytes: Annotated[int, "their bytes"] = 0
    kept: Annotated[int, "how many stay"] = 0


def prune(settings: Settings, *, remove: bool, foreign: bool = False) -> Pruned:
    """Find every object that no manifest names, and `remove` those that nobody keeps.

    `foreign`: also what was not delivered by us. Iterating raises DeliveryError when the store does not answer or a
    manifest is damaged, LedgerBusyError when a daemon has the ledger and does not listen.
    """

    def counted() -> Iterator[Unnamed]:
        for found in _unnamed(settings, remove=remove, foreign=foreign):
            if found.kept:
                result.kept += 1
            else:
                result.count, result.size_bytes = result.count + 1, result.size_bytes + found.size_bytes
            yield found

    result = Pruned(remove, counted())
    return result


def _unnamed(settings: Settings, *, remove: bool, foreign: bool) -> Iterator[Unnamed]:
    with open_store(settings) as (reached, store):
        examination = Examination(settings, store, (kept_by_tables(reached),))
        if not remove:
            yield from filter(None, (_asked(examination, key, foreign=foreign) for key in candidates(store)))
            return
        with _NothingAdmitted(settings) as hold:
            for key in candidates(store):
                if (found := _removed(store, examination, key, hold, foreign=foreign)) is not None:
                    yield found


def _removed(
    store: S3Store, examination: Examination, key: str, hold: "_NothingAdmitted", *, foreign: bool
) -> Unnamed | None:
    """Look at one object, and remove it if nobody keeps it, while what was seen still holds."""
    while True:
        until = hold.renew()
        found = _asked(examination, key, foreign=foreign)
        if time.monotonic() < until:
            break
    if found is not None and not found.kept:
        store.delete(key)
    return found


def _asked(examination: Examination, key: str, *, foreign: bool) -> Unnamed | None:
    found = examination.of(key)
    if found is not None and found.finding is Finding.FOREIGN and not foreign and not found.kept:
        return Unnamed(key, found.size_bytes, found.finding, "not delivered by processor (--foreign)")
    return found


class _NothingAdmitted:
    """While this lasts no file's delivery begins."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock: Lock | None = None

    def __enter__(self) -> Self:
        return self

    def renew(self) -> float:
        """Hold a running daemon again, or keep any from starting; return until when (monotonic) that is sure."""
        until = time.monotonic() + _FRESH_SECONDS
        if self._lock is None and not self._told(Order.HOLD):
            self._lock = Lock(self._settings.progress_db_path)
        return until

    def _told(self, order: Order) -> bool:
        try:
            ask(self._settings.control_socket_path, request(order))
        except NotRunningError:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.release()
        else:
            self._told(Order.RELEASE)

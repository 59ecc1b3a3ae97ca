"""Record events that wait for their receiver."""

from collections.abc import Mapping
from typing import Any

import orjson

from processor.domain.notices import DROPPED_TOGETHER, MOST_BYTES, MOST_EVENTS, MOST_WAITING, EventType, Notice
from processor.ledger.transactions import Transactions


class Outbox(Transactions):
    """Events wait in the order in which they happened, and are entered together with what they tell."""

    def notice(self, type_: EventType, subject: str, data: Mapping[str, Any], now_ms: int) -> None:
        """Enter an event. Where too many wait already the oldest are dropped, and an event tells how many."""
        self._enter(type_, subject, data, now_ms)
        first, last = self._ends_of_outbox()
        if last - first >= MOST_WAITING:
            self.notices_sent(first + DROPPED_TOGETHER - 1)
            self._enter(EventType.LOST, "", {"count": DROPPED_TOGETHER}, now_ms)

    def waiting_notices(self) -> tuple[Notice, ...]:
        """Return those to send next: at least one, if any waits, and no more than a request may hold."""
        rows = self._read("SELECT id,at,type,subject,data FROM outbox ORDER BY id LIMIT ?", MOST_EVENTS)
        chosen: list[Notice] = []
        room = MOST_BYTES
        for notice in (Notice(*row) for row in rows.fetchall()):
            room -= len(notice.data) + len(notice.subject)
            if chosen and room < 0:
                break
            chosen.append(notice)
        return tuple(chosen)

    def notices_sent(self, last: int) -> None:
        """Forget the events up to this one."""
        self._write("DELETE FROM outbox WHERE id<=?", last)

    def outbox(self) -> tuple[int, int]:
        """Return how many events wait, and since when the oldest does (0: none)."""
        first, last = self._ends_of_outbox()
        oldest = self._read("SELECT at FROM outbox ORDER BY id LIMIT 1").fetchone()
        return (0, 0) if oldest is None else (last - first + 1, int(oldest[0]))

    def _ends_of_outbox(self) -> tuple[int, int]:
        """Return the first and the last number; those in between are all there, since only the oldest ever go."""
        ends = self._read("SELECT (SELECT min(id) FROM outbox), (SELECT max(id) FROM outbox)").fetchone()
        return ends[0] or 0, ends[1] or 0

    def _enter(self, type_: EventType, subject: str, data: Mapping[str, Any], now_ms: int) -> None:
        self._write(
            "INSERT INTO outbox (at,type,subject,data) VALUES (?,?,?,?)",
            *(now_ms, str(type_), subject, orjson.dumps(data).decode()),
        )

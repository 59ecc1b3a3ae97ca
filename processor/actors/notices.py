"""Progress's part in telling others.

Events are entered, handed over and forgotten.
"""

from collections.abc import Callable, Mapping
from typing import Any

from processor.actors.counters import Counters
from processor.actors.messages import NoticesRefused, NoticesTaken
from processor.domain.errors import Failure
from processor.domain.feeds import feed_name
from processor.domain.jobs import Job
from processor.domain.keys import escape, manifest_key
from processor.domain.notices import EventType, Notice
from processor.domain.object_keys import key_of
from processor.ledger.outbox import Outbox

_LONGEST_TEXT = 1000

Give = Callable[[tuple[Notice, ...]], None]


class Notices:
    """Events are entered in the transaction of what they tell, and forgotten when the receiver took them.

    `wanted` are the types of events; none where nobody is to be told. One batch is given at a time.
    """

    def __init__(self, ledger: Outbox, counters: Counters, wanted: frozenset[EventType], give: Give) -> None:
        self._ledger = ledger
        self._counters = counters
        self._wanted = wanted
        self._give = give
        self._given = False  # a batch is with the notifier
        self._failing = False  # the last request was not taken
        self._may_wait = bool(wanted)  # from an earlier process

    @property
    def busy(self) -> bool:
        """Whether events wait that a receiver who answers will take soon."""
        return (self._given or self._may_wait) and not self._failing

    def completed(self, job: Job, now_ms: int) -> None:
        """Enter that a file is delivered."""
        self._enter(
            EventType.COMPLETED,
            escape(job.file.relative_path),
            {
                **_of(job),
                "key": key_of(job.file),
                "manifest": manifest_key(job.file.relative_path),
                "sha256": job.file.checksum,
                "type": job.file.kind.type,
            },
            now_ms,
        )

    def failed(self, job: Job, failure: Failure, tries: int, now_ms: int) -> None:
        """Enter that a file failed for good."""
        facts = {**_of(job), "step": job.current, "tries": tries, **_told(failure)}
        self._enter(EventType.FAILED, escape(job.file.relative_path), facts, now_ms)

    def drifted(self, feed: str, path: bytes, kind: str, column: str, now_ms: int) -> None:
        """Enter that a table was not quite as its feed declares."""
        facts = {"feed": feed, "kind": kind, "column": column[:_LONGEST_TEXT]}
        self._enter(EventType.DRIFT, escape(path), facts, now_ms)

    def outage(self, of: str, failure: Failure, seconds: float | None, now_ms: int) -> None:
        """Enter that the store or the cluster is out, or, after so many seconds, back."""
        type_ = EventType.OUTAGE_BEGUN if seconds is None else EventType.OUTAGE_ENDED
        self._enter(
            type_, "", {"of": of, **_told(failure), **({} if seconds is None else {"seconds": seconds})}, now_ms
        )

    def hand_over(self) -> None:
        """Give the next batch when none is with the notifier; what was entered is committed."""
        if self._given or not self._may_wait:
            return
        notices = self._ledger.waiting_notices()
        self._may_wait = False  # until one is entered, or these are taken
        if notices:
            self._given = True
            self._give(notices)

    def heard(self, message: NoticesTaken | NoticesRefused) -> bool | None:
        """Take note of what became of a request. Return whether the receiver answers, where that is new."""
        taken = isinstance(message, NoticesTaken)
        news = None if taken is not self._failing else taken
        self._failing = not taken
        if isinstance(message, NoticesTaken):
            self._counters.notices_taken += message.count
            self._given, self._may_wait = False, True
        else:
            self._counters.notices_refused += 1
        return news

    def look(self) -> None:
        """Count what waits."""
        if self._wanted:
            self._counters.outbox, self._counters.outbox_oldest_ms = self._ledger.outbox()

    def _enter(self, type_: EventType, subject: str, facts: Mapping[str, Any], now_ms: int) -> None:
        if type_ in self._wanted:
            self._ledger.notice(type_, subject, facts, now_ms)
            self._may_wait = True


def _of(job: Job) -> dict[str, Any]:
    feed = feed_name(job.file.feed)
    facts = {"path": escape(job.file.relative_path), "size_bytes": job.file.size_bytes, "attempt": job.attempt}
    return facts if feed is None else {**facts, "feed": feed}


def _told(failure: Failure) -> dict[str, Any]:
    return {"code": failure.code, "message": failure.message[:_LONGEST_TEXT], "hint": failure.hint[:_LONGEST_TEXT]}

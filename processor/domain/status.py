"""Statuses of files, and orders that operators give."""

from enum import StrEnum

HOLD_SECONDS = 180.0
ABOUT = "about"  # which daemon this is, and how it stands
WATCH = "watch"  # beside Progress's orders: what the watcher leaves alone, and what it waits for


class Status(StrEnum):
    """Where a file stands in the ledger; nothing else is ever written there."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class Order(StrEnum):
    """What an operator may ask for over the control socket."""

    RETRY = "retry"
    REPROCESS = "reprocess"
    FLIGHTS = "flights"
    HINDRANCES = "hindrances"
    TABLES = "tables"
    CATALOG = "catalog"
    DRIFT = "drift"
    HOLD = "hold"  # admit nothing for HOLD_SECONDS, unless asked again: somebody prunes
    RELEASE = "release"

"""Health of the daemon and of what it needs."""

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from processor.commands.humanize import size, span
from processor.commands.ledger import asked
from processor.commands.status import LedgerState
from processor.config.choices import EMBEDDED, CatalogType
from processor.config.settings import Settings
from processor.domain.status import ABOUT

OK, BAD, UNKNOWN = "ok", "bad", "unknown"


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that may be well or not: `state` is ok, bad or unknown, `text` says so, `detail` says more."""

    name: str
    state: str
    text: str
    detail: str = ""


def signs(settings: Settings, state: LedgerState) -> tuple[Sign, ...]:
    """Return how things are; what only a daemon knows is unknown when none runs."""
    about: dict[str, Any] | None = None if state.flights is None else asked(settings, ABOUT)
    return (
        _daemon(about),
        _store(settings, about, state.hindrances),
        *_catalog(settings, state, about),
        _watched(settings, state, about),
        _protections(about),
        Sign("Ledger", OK, size(state.ledger_bytes), str(settings.progress_db_path)),
    )


def _daemon(about: dict[str, Any] | None) -> Sign:
    if about is None:
        return Sign("Daemon", BAD, "not running", f"installed: version {version('data-file-processor')}")
    up = span(max(0, time.time_ns() // 1_000_000 - about["started_ms"]))
    return Sign("Daemon", OK, f"up {up}", f"version {about['version']}")


def _store(settings: Settings, about: dict[str, Any] | None, hindrances: tuple[str, ...]) -> Sign:
    server = {EMBEDDED: "embedded server", "": "AWS"}.get(settings.s3_endpoint, settings.s3_endpoint)
    place = f"bucket {settings.s3_bucket}{f'/{settings.s3_prefix}' if settings.s3_prefix else ''}, {server}"
    if about is None:
        return Sign("Store", UNKNOWN, "not asked", place)
    out = about["store_out"] or about["cluster_out"]
    return Sign("Store", BAD, "out", "; ".join((place, *hindrances))) if out else Sign("Store", OK, "up", place)


def _catalog(settings: Settings, state: LedgerState, about: dict[str, Any] | None) -> tuple[Sign, ...]:
    if settings.catalog in (None, CatalogType.NONE):
        return ()
    if about is None:
        return (Sign("Catalog", UNKNOWN, "not asked", str(settings.catalog)),)
    if state.catalog_problem:
        return (Sign("Catalog", BAD, "out", state.catalog_problem),)
    return (Sign("Catalog", OK, "no problem seen", str(settings.catalog)),)


def _watched(settings: Settings, state: LedgerState, about: dict[str, Any] | None) -> Sign:
    place = str(settings.watch_path)
    if about is None:
        return Sign("Watched directory", UNKNOWN, "not watched", place)
    if not about["watched"]:
        return Sign("Watched directory", BAD, "not there", place)
    watch = state.watch or {}
    counts = (f"{watch[name]:,} {words}" for name, words in _LEFT_ALONE.items() if watch.get(name))
    return Sign("Watched directory", OK, "watched", "; ".join((place, *counts)))


_LEFT_ALONE = {
    "unreadable": "may not be read",
    "open": "still being written",
    "left_out": "left out by INCLUDE and EXCLUDE",
}


def _protections(about: dict[str, Any] | None) -> Sign:
    if about is None or about["lacks"] is None:
        return Sign("Protections", UNKNOWN, "no workers yet", "how parsers are confined")
    if about["lacks"]:
        return Sign("Protections", BAD, "incomplete", f"off: {', '.join(about['lacks']).replace('_', ' ')}")
    return Sign("Protections", OK, "all on", "parsers have no network, no files, no credentials")

"""Commands that look: `why`, `ls`, `verify`, `schema`, `check`, `dashboard`."""

import argparse
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processor.cli.output import Line, complain, raw, show
from processor.cli.parser import UsageError
from processor.cli.runtime import FAILED, OK, settings_for, told_plainly
from processor.commands.humanize import size, zoned

if TYPE_CHECKING:
    from processor.commands.ledger import Story
    from processor.commands.store import CheckReport, StoredKeys, Verification

_SHOWN_OBJECTS = 50


def why(arguments: argparse.Namespace) -> int:
    """Tell one file's story."""
    settings = settings_for()
    from processor.commands import ledger, store  # noqa: PLC0415
    from processor.domain.errors import DeliveryError  # noqa: PLC0415

    with told_plainly():
        story = ledger.story(settings, Path(arguments.path))
        if story is None:
            complain(f"{arguments.path} is not in the ledger: it has not been noticed, or lies outside WATCH_PATH")
            return FAILED
        if story.record["status"] == "completed":
            with suppress(DeliveryError):
                objects = store.delivered_objects(settings, ledger.relative_path(settings, story))
                story = replace(story, objects=tuple(islice(objects, ledger.MOST_OBJECTS)))
        show(story, _story, as_json=arguments.as_json)
    return OK


def _story(story: "Story") -> Iterator[Line]:
    record = story.record
    yield record["file_path"], "bold"
    for name, value in (
        ("status", record["status"]),
        ("type", record["kind"] or "not looked at yet"),
        ("size", size(record["size_bytes"])),
        ("sha256", record["checksum"]),
        ("feed", ", ".join(dict.fromkeys(mark.name for mark in story.feeds))),
        ("stored as", record["s3_key"] if record["delivered"] else ""),
        ("failed tries", record["tries"]),
        ("first seen", zoned(record["created_at"])),
        ("last change", zoned(record["updated_at"])),
        ("code", story.code),
        ("reason", record["error_message"]),
        ("lies at", story.lies_at),
    ):
        if value:
            yield f"{name:<14}{value}"
    events = story.events()
    for before, event in zip((None, *events), events, strict=False):
        yield from _event(event, before)
    for entry in story.objects[:_SHOWN_OBJECTS]:
        yield f"  {entry.get('key') or entry.get('member')}  {_entry(entry)}"
    if len(story.objects) > _SHOWN_OBJECTS:
        yield f"  and {len(story.objects) - _SHOWN_OBJECTS} more"


def _event(event: dict[str, Any], before: dict[str, Any] | None) -> Iterator[Line]:
    """Yield one step: its time, how long after the one before, and whatever was decided."""
    step = f" at {event['step']}" if event.get("step") else ""
    after = "" if before is None else f"  +{(event['at'] - before['at']) / 1000:.3f} s"
    failure = event.get("failure") or {}
    told = f"{failure['code']}: {failure['message']}" if failure else ""
    others = [
        f"{name} {_value(value)}" for name, value in event.items() if name not in _TOLD and value not in (None, "")
    ]
    yield f"{zoned(event['at'])}{after}  {event['event']}{step}  {'; '.join(filter(None, (told, *others)))}".rstrip()
    for name, bad in event.get("bad_members") or ():
        yield f"    {name}: {bad['message']}"


_TOLD = {"at", "event", "step", "failure", "bad_members", "attempt"}


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(each)}" for name, each in value.items())
    return str(value)


def _entry(entry: dict[str, Any]) -> str:
    if "omitted" in entry:
        return f"left out: {entry['omitted']}"
    if "rows" not in entry:
        return size(entry["size_bytes"])
    rows = "1 row" if entry["rows"] == 1 else f"{entry['rows']} rows"
    return f"{size(entry['size_bytes'])}, {rows}, {len(entry.get('columns', ()))} columns"


def ls(arguments: argparse.Namespace) -> int:
    """List the stored objects."""
    settings = settings_for()
    from processor.commands.store import StoredKeys, stored_keys  # noqa: PLC0415

    with told_plainly():
        show(StoredKeys(stored_keys(settings, arguments.prefix)), _keys, as_json=arguments.as_json)
    return OK


def _keys(found: "StoredKeys") -> Iterator[Line]:
    for each in found.objects:
        yield f"{each.size_bytes:>14} {each.key}"


def verify(arguments: argparse.Namespace) -> int:
    """Compare stored objects with their manifests."""
    if arguments.in_tables:
        from processor.cli.tables import verify_tables  # noqa: PLC0415

        return verify_tables(arguments)
    if not arguments.every and not arguments.paths:
        raise UsageError("give PATH..., or --all")
    sample, settings = _share(arguments.sample), settings_for()
    from processor.commands.progress import ProgressLine  # noqa: PLC0415
    from processor.commands.store import verify as command  # noqa: PLC0415

    paths = [] if arguments.every else [Path(path) for path in arguments.paths]
    with told_plainly(), ProgressLine("objects") as progress:
        result = command(settings, paths, progress, deep=arguments.deep, sample=sample)
        show(result, _verification, as_json=arguments.as_json)
    return OK if set(result.counts) <= {"ok", "foreign"} else FAILED


def _verification(result: "Verification") -> Iterator[Line]:
    for each in result.differing:
        source = f" ({each.manifest})" if each.manifest else ""
        yield f"{each.finding}: {each.key}: {each.detail}{source}", "red"
    yield ", ".join(f"{count} {finding}" for finding, count in sorted(result.counts.items())) or (
        "nothing is delivered yet"
    )


def _share(text: str) -> float:
    """Return `1%` or `0.01` as a number from 0 to 1."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise UsageError(f"{text!r} is neither a percentage nor a share") from error
    if not 0 < share <= 1:
        raise UsageError(f"{text!r} is not between 0 and 100%")
    return share


def schema(arguments: argparse.Namespace) -> int:
    """Tell the columns of delivered tables."""
    settings = settings_for()
    from processor.commands import schema as command  # noqa: PLC0415

    with told_plainly():
        if arguments.sql:
            for part in command.view(settings, arguments.prefix, arguments.name):
                raw(f"{part}\n")
        else:
            found = command.delivered_schema(settings, arguments.prefix).report()
            show(found, lambda report: report.lines(), as_json=arguments.as_json)
    return OK


def check(arguments: argparse.Namespace) -> int:
    """Tell whether the daemon could deliver."""
    settings = settings_for()
    from processor.commands.store import check as command  # noqa: PLC0415

    with told_plainly():
        result = command(settings)
        show(result, _check, as_json=arguments.as_json)
    return OK if result.ready else FAILED


def _check(result: "CheckReport") -> Iterator[Line]:
    yield "configuration: ok"
    for name, problem in result.places.items():
        yield f"directory: {name}: {problem or 'ok'}"
    untold = f"NOT TOLD OF {result.untold_writers}: files are whole once they stand still, see STABILITY_THRESHOLD"
    yield f"open files: {untold if result.untold_writers else 'ok, the kernel tells which are open for writing'}"
    for name, value in result.store.items():
        yield f"store: {name.replace('_', ' ')}: {value}"
    for name, on in result.worker.items():
        yield f"worker: {name.replace('_', ' ')}: {'on' if on else 'OFF'}"
    if result.cluster is not None:
        slots = isinstance(result.cluster, int)
        yield f"cluster: {result.cluster} at the same time" if slots else f"cluster: {result.cluster}"
    if result.notify is not None:
        host = isinstance(result.notify, str)
        yield f"notify: ok, {result.notify} takes events" if host else f"notify: {result.notify}"


def dashboard(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    settings = settings_for()
    from processor.dashboard.server import DashboardServer  # noqa: PLC0415

    try:
        server = DashboardServer(settings, arguments.listen, arguments.name)
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(f"can not listen on {arguments.listen}: {error}") from error
    print(f"{server.url}   (Ctrl-C ends it)", flush=True)
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()
    return OK

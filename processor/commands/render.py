"""Render `status` and `why` on a terminal."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from processor.commands.humanize import moment, plain, size, span
from processor.commands.ledger import LedgerState, Story, upload_rate

_REFRESH_SECONDS = 1.0
_COST_FACTOR = 10  # a large ledger is asked less often
_RATE_REFRESHES = 15  # a rate is that of so many refreshes: a shorter one jumps
_SHOWN_FAILURES = 10
_SHOWN_OPEN = 5
_SHOWN_OBJECTS = 50


def show_state(state: LedgerState) -> None:
    """Print where everything stands."""
    Console().print(_state(state, None))


def watch_state(states: Iterator[LedgerState]) -> None:
    """Print where everything stands, again and again, until Ctrl-C."""
    seen: deque[LedgerState] = deque(maxlen=_RATE_REFRESHES)
    with Live(auto_refresh=False, screen=False) as live:
        began = time.monotonic()
        for state in states:
            took = time.monotonic() - began
            live.update(_state(state, seen[0] if seen else None), refresh=True)
            seen.append(state)
            time.sleep(max(_REFRESH_SECONDS, took * _COST_FACTOR))
            began = time.monotonic()


def show_story(story: Story) -> None:
    """Print one file's record, history and objects."""
    console = Console(highlight=False)
    record = story.record
    console.print(Text(plain(record["file_path"]), style="bold"))
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("status", record["status"]),
        ("type", record["kind"] or "not looked at yet"),
        ("size", size(record["size_bytes"])),
        ("sha256", record["checksum"] or ""),
        ("feed", ", ".join(dict.fromkeys(mark.name for mark in story.feeds))),
        ("stored as", record["s3_key"] if record["delivered"] else ""),
        ("failed tries", str(record["tries"] or "")),
        ("first seen", moment(record["created_at"])),
        ("last change", moment(record["updated_at"])),
        ("reason", record["error_message"] or ""),
    ):
        if value:
            facts.add_row(Text(name, style="dim"), Text(plain(value)))
    console.print(facts)
    for event in story.history:
        failure = event.get("failure", {})
        step = f" at {event['step']}" if event.get("step") else ""
        console.print(Text(plain(f"{moment(event['at'])}  {event['event']}{step}  {failure.get('message', '')}")))
        for name, bad in event.get("bad_members", ()):
            console.print(Text(plain(f"    {name}: {bad['message']}")))
    for entry in story.objects[:_SHOWN_OBJECTS]:
        console.print(Text(plain(f"  {entry.get('key') or entry.get('member')}  {_entry(entry)}")))
    if len(story.objects) > _SHOWN_OBJECTS:
        console.print(f"  and {len(story.objects) - _SHOWN_OBJECTS} more")


def _entry(entry: dict[str, Any]) -> str:
    if "omitted" in entry:
        return f"left out: {entry['omitted']}"
    rows = f", {entry['rows']} rows, {len(entry.get('columns', ()))} columns" if "rows" in entry else ""
    return f"{size(entry['size_bytes'])}{rows}"


def _state(state: LedgerState, before: LedgerState | None) -> RenderableType:
    parts: list[RenderableType] = [_counts(state)]
    parts.append(_summary(state, before))
    parts += [Text(f"{hindrance}: files wait, and lose no try", style="red") for hindrance in state.hindrances]
    if state.flights is None:
        parts.append(Text("no daemon is running", style="yellow"))
    elif state.flights:
        parts.append(_flights(state.flights))
    parts += [
        Text(f"feed {name}: {count:,} delivered under an older declaration: processor reprocess --feed {name}")
        for name, count in state.outdated.items()
    ]
    parts += [Text(line, style=style) for line, style in _tables(state)]
    if state.watch is not None and (state.watch["open"] or state.watch["left_out"]):
        parts.append(_waited_for(state.watch))
    if state.failures:
        parts.append(_failures(state))
    return Group(*parts)


def _tables(state: LedgerState) -> Iterator[tuple[str, str]]:
    if state.catalog_problem:
        yield plain(f"the catalog is out: {state.catalog_problem}: files are delivered, their tables wait"), "red"
    for table in state.tables:
        text = f"table {table.name}: {table.files:,} files, {table.rows:,} rows"
        if table.waiting_since_ms is not None:
            text += f", {table.waiting:,} wait for {span(max(0, state.at_ms - table.waiting_since_ms))}"
        refused = f", {table.refused:,} REFUSED: processor tables" if table.refused else ""
        yield text + refused, "red" if refused else ""


def _counts(state: LedgerState) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0))
    for status in state.counts:
        table.add_column(status.replace("_", " "), justify="right", style="red" if status == "failed" else "")
    table.add_row(*(f"{count:,}" for count in state.counts.values()))
    table.add_row(*(size(state.bytes_by_status.get(status)) for status in state.counts), style="dim")
    return table


def _summary(state: LedgerState, before: LedgerState | None) -> Text:
    parts = [f"last hour: {state.completed_last_hour:,} files, {size(state.bytes_last_hour)}"]
    if before is not None and state.at_ms > before.at_ms:
        seconds = (state.at_ms - before.at_ms) / 1000
        rate = max(0, state.counts["completed"] - before.counts["completed"]) / seconds
        parts.append(f"now: {rate:.1f} files/s")
        uploading = upload_rate(before, state)
        if uploading > 0:
            parts.append(f"uploading {size(uploading)}/s")
        if rate > 0 and state.counts["pending"]:
            parts.append(f"about {span(state.counts['pending'] / rate * 1000)} left")
    if state.oldest_waiting_ms is not None:
        parts.append(f"waits longest: {plain(state.oldest_waiting_path)}, {span(state.oldest_waiting_ms)}")
    parts.append(f"ledger: {size(state.ledger_bytes)}")
    return Text(" · ".join(parts))


def _flights(flights: tuple[dict[str, Any], ...]) -> Progress:
    bars = Progress(
        TextColumn("{task.fields[step]}"), BarColumn(), DownloadColumn(), TextColumn("{task.description}", markup=False)
    )
    for flight in flights:
        total = max(flight["size_bytes"], flight["uploaded_bytes"], 1)
        bars.add_task(
            plain(flight["path"]),
            total=total,
            completed=flight["uploaded_bytes"],
            step=flight["step"].replace("_", " "),
        )
    return bars


def _waited_for(watch: dict[str, Any]) -> Text:
    lines = Text()
    if watch["left_out"]:
        lines.append(f"left out by INCLUDE and EXCLUDE: {watch['left_out']:,} files\n", style="dim")
    if watch["open"]:
        lines.append(f"open for writing, delivered once closed: {watch['open']:,} files\n", style="yellow")
    for each in watch["open_files"][:_SHOWN_OPEN]:
        lines.append(f"  {plain(each['path'])}  unchanged for {span(each['seconds'] * 1000)}\n")
    lines.rstrip()
    return lines


def _failures(state: LedgerState) -> Text:
    lines = Text("failed last\n", style="bold")
    for failure in state.failures[:_SHOWN_FAILURES]:
        lines.append(f"  {plain(failure['file_path'])}", style="red")
        lines.append(f"  {moment(failure['updated_at'])}\n", style="dim not bold")
        lines.append(f"    {plain(failure['error_message'] or '')}\n", style="not bold")
    lines.append(
        "`processor why FILE` tells all of one file, `processor retry` takes it up again", style="dim not bold"
    )
    return lines

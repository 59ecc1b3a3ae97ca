"""Command line: arguments in, text and exit codes out.

What a command does is in `commands`.

Exit codes: 0 done, 1 a failure or a bug, 2 usage, 75 files are left (EX_TEMPFAIL of sysexits.h), 78 configuration
(EX_CONFIG).
"""

import os
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Annotated

import orjson
import typer

from processor import config
from processor.cli.feeds import app as feeds_app
from processor.cli.feeds import plain_lines
from processor.cli.runtime import FAILED, OK, run_daemon, settings_for, told_plainly
from processor.cli.tables import tables, verify_tables
from processor.commands.humanize import plain
from processor.domain.errors import DeliveryError, Failure

DISTRIBUTION = "data-file-processor"
DELIVER, LOOK, MEND, ONE_FILE = "Deliver", "Look", "Mend", "One file, without a store"


def _failed_paths(incomplete: str) -> list[str]:
    """Return what the shell may complete to: failed files, absolute or relative to WATCH_PATH; nothing if it fails."""
    with suppress(Exception):
        from processor.commands.ledger import failed_paths  # noqa: PLC0415

        return [path for path in failed_paths(config.load()) if path.startswith(incomplete)]
    return []


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Deliver files from Linux to S3 as verified data.",
    epilog="Settings come from the environment or .env (.env.example has all of them). "
    "Exit codes: 0 done, 1 a failure, 2 wrong usage, 75 files are still being written to, "
    "78 the configuration is not usable.",
)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer's
    if asked:
        print(f"processor {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Deliver files from Linux to S3 as verified data."""


app.add_typer(feeds_app, name="feed", rich_help_panel=LOOK)


_FORCE = "Overwrite what is there, but never IN itself."


@app.command(rich_help_panel=DELIVER)
def run(*, once: Annotated[bool, typer.Option("--once", help="Deliver what is there now, then end.")] = False) -> None:
    """Watch WATCH_PATH and deliver whatever arrives there, until SIGTERM or Ctrl-C."""
    run_daemon(once=once)


@app.command(hidden=True)
def welcome() -> None:
    """Say, after `make run`, where to drop files and how to look at what arrived."""
    settings = settings_for()
    print(f"""
Drop files into   {settings.watch_path}
They go to        {settings.s3_endpoint or "AWS"}, bucket {settings.s3_bucket}
Look at them by   .venv/bin/processor status          what has arrived, what is on its way, what failed
                  .venv/bin/processor ls              the stored objects
                  .venv/bin/processor why FILE        one file's history
Settings are in   .env (all of them are explained there); end with Ctrl-C.
""")


@app.command(rich_help_panel=ONE_FILE)
def convert(
    source: Annotated[Path | None, typer.Argument(metavar="IN", help="CSV, TSV, JSON, JSON Lines or XML.")] = None,
    target: Annotated[Path | None, typer.Argument(metavar="OUT", help="The Parquet file to write.")] = None,
    *,
    batch: Annotated[
        bool, typer.Option("--batch", help="Read lines IN<TAB>OUT; answer `ok` or `err MESSAGE`.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help=_FORCE)] = False,
) -> None:
    """Convert one data file to Parquet on disk, by the code and under the protections of the daemon."""
    settings = settings_for(WATCH_PATH=Path("/"), S3_BUCKET="unused")
    from processor.commands import convert as command  # noqa: PLC0415
    from processor.commands.local_worker import LocalWorker  # noqa: PLC0415

    if batch:
        for answer in command.batch(settings, sys.stdin, force=force):
            print(answer, flush=True)
        return
    if source is None or target is None:
        raise typer.BadParameter("give IN and OUT, or --batch")
    with told_plainly(), LocalWorker(settings) as worker:
        converted = command.convert_file(worker, settings, source, target, force=force)
        receipt = converted.receipt
        print(f"{converted.parquet}: {receipt.rows} rows, {len(receipt.columns)} columns")
        if converted.rejects is not None:
            print(f"{converted.rejects}: {receipt.rejected_rows} rejected rows")
        if converted.notes is not None:
            print(f"{converted.notes}: {receipt.notes} notes")


@app.command(rich_help_panel=ONE_FILE)
def extract(
    source: Annotated[Path, typer.Argument(metavar="IN", help="An archive.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; nothing is written outside it.")],
    *,
    force: Annotated[bool, typer.Option("--force", help=_FORCE)] = False,
) -> None:
    """Extract one archive to a directory; data files in it become Parquet, as they would in the store."""
    settings = settings_for(WATCH_PATH=Path("/"), S3_BUCKET="unused")
    from processor.commands.extract import extract_file  # noqa: PLC0415

    with told_plainly():
        result = extract_file(settings, source, directory, force=force)
    print(f"{directory}: {result.written} members")
    for name, reason in result.skipped:
        print(plain(f"not a file: {name}: {reason}"))
    for name, failure in result.bad:
        print(plain(f"failed: {name}: {failure}"), file=sys.stderr)
    if result.failure is not None:
        print(f"{source}: {result.failure}", file=sys.stderr)
    sys.exit(FAILED if result.bad or result.failure else OK)


@app.command(rich_help_panel=ONE_FILE)
def plan(paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or directories.")]) -> None:
    """Show what would be done: type, key, dialect, encoding, and every column's type with its reason."""
    settings = settings_for(S3_BUCKET="unset", WATCH_PATH=Path.cwd())
    from processor.commands.plan import plan_files  # noqa: PLC0415

    failed = False
    for each in plan_files(settings, paths):
        print(plain(each.path))
        print(f"  {each.type}, {each.size_bytes} bytes, sha256 {each.sha256}")
        print(plain(f"  key {each.key}"))
        for name, value in each.reading:
            print(plain(f"  {name}: {value}"))
        for column in each.columns:
            written = "" if column.original_name is None else f" (in the file: {column.original_name!r})"
            print(plain(f"    {column.name}{written}: {column.type}  ({column.reason})"))
        if each.failure is not None:
            failed = True
            print(plain(f"  refused: {each.failure}"))
    sys.exit(FAILED if failed else OK)


@app.command(rich_help_panel=LOOK)
def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
) -> None:
    """Show what has arrived, what is on its way and at which step, what waits, what failed."""
    settings = settings_for()
    from processor.commands import ledger, render  # noqa: PLC0415

    with told_plainly():
        if as_json:
            print(orjson.dumps(ledger.state(settings).as_dict(), option=orjson.OPT_INDENT_2).decode())
        elif watch:
            with suppress(KeyboardInterrupt):
                render.watch_state(iter(lambda: ledger.state(settings), None))
        else:
            render.show_state(ledger.state(settings))


@app.command(rich_help_panel=LOOK)
def why(
    path: Annotated[Path, typer.Argument(help="Absolute, or relative to here or to WATCH_PATH.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Tell one file's story: its status and the reason for it, what happened, its objects."""
    settings = settings_for()
    from processor.commands import ledger, render, store  # noqa: PLC0415

    with told_plainly():
        story = ledger.story(settings, path)
        if story is None:
            print(f"{path} is not in the ledger: it has not been noticed, or lies outside WATCH_PATH", file=sys.stderr)
            sys.exit(FAILED)
        if story.record["status"] == "completed":
            with suppress(DeliveryError):
                objects = store.delivered_objects(settings, ledger.relative_path(settings, story))
                story = replace(story, objects=tuple(islice(objects, ledger.MOST_OBJECTS)))
        if as_json:
            print(orjson.dumps(story, option=orjson.OPT_INDENT_2).decode())
        else:
            render.show_story(story)


@app.command(rich_help_panel=LOOK)
def schema(
    prefix: Annotated[str, typer.Argument(help="Of paths below WATCH_PATH, such as `orders/`.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="A DuckDB view over what is completely delivered.")] = False,
    name: Annotated[str, typer.Option(help="The view's name.")] = "delivered",
) -> None:
    """Tell the columns of delivered tables across files, from manifests alone, and where they differ."""
    settings = settings_for()
    from processor.commands import schema as command  # noqa: PLC0415

    with told_plainly():
        if sql:
            for line in command.view(settings, prefix, name):
                print(plain_lines(line))
            return
        found = command.delivered_schema(settings, prefix)
    if as_json:
        print(orjson.dumps(found.as_dict(), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in found.lines():
            print(plain(line))


@app.command(rich_help_panel=LOOK)
def dashboard(
    *,
    listen: Annotated[str, typer.Option(help="Where: host:port. Whoever reaches it may look, and retry.")] = (
        "127.0.0.1:9465"
    ),
    name: Annotated[
        list[str] | None, typer.Option(help="A further host name under which it is asked, such as a proxy's.")
    ] = None,
) -> None:
    """Serve a page for the browser: what flows now, throughput, every file's journey, failures and `retry`.

    A process of its own, which only reads the ledger. It has no accounts: leave it on loopback and come through
    `ssh -L 9465:127.0.0.1:9465 HOST`, or put a proxy that knows your users in front of it.
    """
    settings = settings_for()
    from processor.dashboard.server import DashboardServer  # noqa: PLC0415

    try:
        server = DashboardServer(settings, listen, name or ())
    except (OSError, ValueError, OverflowError) as error:
        raise typer.BadParameter(f"can not listen on {listen}: {error}") from error
    print(f"{server.url}   (Ctrl-C ends it)", flush=True)
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()


@app.command(rich_help_panel=LOOK)
def check() -> None:
    """Check the configuration and the directories, probe the store, and show which protections a worker has."""
    settings = settings_for()
    from processor.commands.store import check as command  # noqa: PLC0415

    with told_plainly():
        result = command(settings)
    print("configuration: ok")
    for name, problem in result.places.items():
        print(plain(f"directory: {name}: {problem or 'ok'}"))
    untold = f"NOT TOLD OF {result.untold_writers}: files are whole once they stand still, see STABILITY_THRESHOLD"
    print(f"open files: {untold if result.untold_writers else 'ok, the kernel tells which are open for writing'}")
    for name, value in result.profile.as_dict().items():
        print(f"store: {name.replace('_', ' ')}: {value}")
    for name in result.protections.__slots__:
        print(f"worker: {name.replace('_', ' ')}: {'on' if getattr(result.protections, name) else 'OFF'}")
    if result.cluster is not None:
        ok = f"{result.cluster} at the same time"
        print(plain(f"cluster: {result.cluster if isinstance(result.cluster, Failure) else ok}"))
    if result.notify is not None:
        ok = f"ok, {result.notify} takes events"
        print(plain(f"notify: {result.notify if isinstance(result.notify, Failure) else ok}"))
    sys.exit(OK if result.ready else FAILED)


@app.command(name="ls", rich_help_panel=LOOK)
def list_objects(prefix: Annotated[str, typer.Argument(help="Only keys that begin so.")] = "") -> None:
    """List the stored objects, with their sizes."""
    settings = settings_for()
    from processor.commands.store import stored_keys  # noqa: PLC0415

    with told_plainly():
        for key, size_bytes in stored_keys(settings, prefix):
            print(plain(f"{size_bytes:>14} {key}"))


@app.command(rich_help_panel=LOOK)
def verify(
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Relative to WATCH_PATH.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every delivered file.")] = False,
    deep: Annotated[bool, typer.Option(help="Download and hash instead of asking the store.")] = False,
    in_tables: Annotated[bool, typer.Option("--tables", help="Tables against manifests.")] = False,
    sample: Annotated[str, typer.Option(help="Only so many of the objects, chosen by chance.")] = "100%",
) -> None:
    """Compare stored objects with what the manifests say of them."""
    if in_tables:
        verify_tables()
    settings = settings_for()
    from processor.commands.store import verify as command  # noqa: PLC0415

    if not every and not paths:
        raise typer.BadParameter("give PATH..., or --all")
    counts: dict[str, int] = {}
    with told_plainly():
        names = [os.fsencode(path) for path in paths or ()]
        for manifest, verified in command(settings, names, deep=deep, sample=_share(sample)):
            counts[verified.finding] = counts.get(verified.finding, 0) + 1
            if verified.finding != "ok":
                source = f" ({manifest})" if manifest else ""
                print(plain(f"{verified.finding}: {verified.key}: {verified.detail}{source}"), file=sys.stderr)
    print(", ".join(f"{count} {finding}" for finding, count in sorted(counts.items())) or "nothing is delivered yet")
    sys.exit(OK if set(counts) <= {"ok", "foreign"} else FAILED)


@app.command(rich_help_panel=MEND)
def prune(
    *,
    yes: Annotated[bool, typer.Option("--yes", "--delete", help="Remove them; else they are only shown.")] = False,
    foreign: Annotated[bool, typer.Option("--foreign", help="Also what was not delivered by processor.")] = False,
) -> None:
    """Remove objects below the prefix that no manifest names: superseded ones, and those of deliveries given up."""
    settings = settings_for()
    from processor.commands.prune import prune as command  # noqa: PLC0415

    count = size_bytes = kept = 0
    with told_plainly():
        for found in command(settings, remove=yes, foreign=foreign):
            if found.kept:
                kept += 1
                print(plain(f"kept: {found.key}: {found.kept}"), file=sys.stderr)
                continue
            count, size_bytes = count + 1, size_bytes + found.size_bytes
            print(plain(f"{'removed' if yes else 'would remove'}: {found.key} ({found.finding})"))
    done = f"{count} objects {'removed' if yes else 'to remove'}, {size_bytes} bytes; {kept} kept"
    print(done if yes or not count else f"{done}; `processor prune --yes` removes them")


app.command(rich_help_panel=LOOK)(tables)


@app.command(rich_help_panel=MEND)
def rebuild() -> None:
    """Make a lost ledger again from the manifests in the store; nothing is uploaded twice afterwards."""
    settings = settings_for()
    from processor.commands.store import rebuild as command  # noqa: PLC0415

    with told_plainly():
        result = command(settings)
    print(f"{result.entered} files entered, {result.known} were known")
    for key in result.unreadable:
        print(plain(f"unreadable: {key}"), file=sys.stderr)
    sys.exit(FAILED if result.unreadable else OK)


@app.command(rich_help_panel=MEND)
def retry(
    path: Annotated[Path | None, typer.Argument(help="A failed file.", autocompletion=_failed_paths)] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every failed file.")] = False,
) -> None:
    """Take failed files up again: they are moved back from the error directory and have all their tries."""
    settings = settings_for()
    from processor.commands.ledger import retry as command  # noqa: PLC0415

    if (path is None) is not every:
        raise typer.BadParameter("give PATH, or --all")
    with told_plainly():
        _say_count(command(settings, path), "file is pending again", "files are pending again", path)


@app.command(rich_help_panel=MEND)
def reprocess(
    path: Annotated[Path | None, typer.Argument(help="A delivered file.")] = None,
    *,
    since: Annotated[datetime | None, typer.Option(help="All that was delivered since then (UTC).")] = None,
    feed: Annotated[str | None, typer.Option(help="What this feed concerns and was read otherwise.")] = None,
) -> None:
    """Deliver files once more, though they have not changed."""
    settings = settings_for()
    from processor.commands.ledger import reprocess as command  # noqa: PLC0415
    from processor.commands.ledger import reprocess_feed  # noqa: PLC0415

    if sum(given is not None for given in (path, since, feed)) != 1:
        raise typer.BadParameter("give PATH, --since TIME or --feed NAME")
    if feed is not None:
        with told_plainly():
            _say_count(reprocess_feed(settings, feed), "file is pending again", "files are pending again", None)
        return
    since_ms = None if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1000)
    with told_plainly():
        _say_count(command(settings, path, since_ms), "file is pending again", "files are pending again", path)


def _say_count(count: int, one: str, many: str, path: Path | None) -> None:
    print(f"{count} {one if count == 1 else many}")
    if count == 0 and path is not None:
        print(f"nothing to do for {path}: see `processor why {path}`", file=sys.stderr)
        sys.exit(FAILED)


def _share(text: str) -> float:
    """Return `1%` or `0.01` as a number from 0 to 1."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is neither a percentage nor a share") from error
    if not 0 < share <= 1:
        raise typer.BadParameter(f"{text!r} is not between 0 and 100%")
    return share


def main() -> None:
    """Run the command line. What the terminal's encoding has no letter for is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="processor")

"""`processor feed`: arguments in, text out."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from processor.cli.runtime import FAILED, OK, settings_for, told_plainly
from processor.commands.humanize import plain

app = typer.Typer(no_args_is_help=True, help="Write, test and show declarations (FEEDS, docs/FEEDS.md).")
_Paths = Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Files or directories.")]


@app.command(name="list")
def list_feeds() -> None:
    """Show the feeds in the order in which they are tried, and what was delivered by them."""
    settings = settings_for(S3_BUCKET="unset", WATCH_PATH=Path.cwd())
    from processor.commands.feeds import listed  # noqa: PLC0415

    with told_plainly():
        feeds = listed(settings)
    for each in feeds:
        feed, columns = each.feed, each.feed.declaration.columns
        print(
            plain(f"{feed.name}  {feed.format or 'any format'}, {len(columns.columns) if columns else 'any'} columns")
        )
        print(plain(f"  match {', '.join(pattern.text for pattern in feed.match)}"))
        print(plain(f"  key {feed.delivery.prefix}{feed.delivery.key or '{path}'}"))
        older = f", {each.outdated} under an older declaration" if each.outdated else ""
        print(f"  declaration {feed.declaration.digest[:12]}, {each.delivered} files delivered{older}")
    if not feeds:
        print("no feeds are declared: FEEDS names no file" if settings.feeds is None else f"{settings.feeds}: none")


@app.command()
def check(paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or directories.")]) -> None:
    """Tell which feed files are in, what differs from it, and whether they would be delivered."""
    settings = settings_for(S3_BUCKET="unset", WATCH_PATH=Path.cwd())
    from processor.commands.feeds import checked  # noqa: PLC0415

    failed = False
    with told_plainly():
        for each in checked(settings, paths):
            print(plain(f"{each.path}: {f'feed {each.feed}' if each.feed else 'no feed'}, {each.rows_are}"))
            for difference in each.differs:
                print(plain(f"  {difference}"))
            failed |= each.failure is not None
            print(plain(f"  refused: {each.failure}" if each.failure is not None else "  would be delivered"))
    sys.exit(FAILED if failed else OK)


@app.command()
def infer(
    paths: _Paths = None,
    *,
    name: Annotated[str | None, typer.Option(help="The feed's name.")] = None,
    from_store: Annotated[str | None, typer.Option(metavar="PREFIX", help="Read delivered files' manifests.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Show what the files would change, as a diff.")] = False,
) -> None:
    """Print a feed that holds all the files; comments say which file made a column's type what it is."""
    if (from_store is None) is not bool(paths):
        raise typer.BadParameter("give PATH..., or --from-store PREFIX")
    settings = settings_for() if from_store is not None else settings_for(S3_BUCKET="unset", WATCH_PATH=Path.cwd())
    from processor.commands import feeds as command  # noqa: PLC0415
    from processor.feeds.infer import updated  # noqa: PLC0415

    with told_plainly():
        feed = command.feed_to_update(settings, name, paths or []) if update else None
        with _progress() as progress:
            if from_store is not None:
                inference = command.infer_from_store(settings, from_store, progress)
            else:
                inference = command.infer(settings, paths or [], progress)
    if feed is not None:
        print(plain_lines(updated(feed, inference)) or f"nothing would change in feed {feed.name}")
    else:
        print(inference.document(name or "inferred"), end="")
    for path, why in inference.examples:
        print(plain(f"not read: {path}: {why}"), file=sys.stderr)
    sys.exit(FAILED if inference.refused or not inference.files else OK)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file of feeds, for editors."""
    from processor.feeds.schema import published  # noqa: PLC0415

    print(published(), end="")


def plain_lines(text: str) -> str:
    """Return text of several lines, each harmless on a terminal."""
    return "\n".join(plain(line) for line in text.splitlines())


@contextmanager
def _progress() -> Iterator[Iterator[None]]:
    """Yield steps to take; on a terminal they are counted where everybody can see it."""
    if not sys.stderr.isatty():
        yield iter(())
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(TextColumn("{task.completed} files read"), TimeElapsedColumn(), console=console) as bars:
        task = bars.add_task("", total=None)

        def steps() -> Iterator[None]:
            while True:
                bars.advance(task)
                yield None

        yield steps()

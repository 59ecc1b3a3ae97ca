"""The parser of the command line, without any side effect.

`run` of what it returns names the function that does the work, `answer` the value that `--json` shows: both as
`module:name`, imported only when they are needed. The reference, the completion and the man page are made from it.
"""

import argparse
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

DISTRIBUTION = "data-file-processor"
DELIVER, LOOK, MEND, ONE_FILE = "Deliver", "Look", "Mend", "One file, without a store"
GROUPS = (DELIVER, LOOK, MEND, ONE_FILE)
_ABOUT = "Deliver files from Linux to S3 as verified data."
_EPILOG = (
    "Settings come from the environment or .env (.env.example has all of them). Exit codes: 0 done, 1 a failure, "
    "2 wrong usage, 75 files are still being written to, 78 the configuration is not usable."
)
_FORCE = "Overwrite what is there, but never IN itself."
_PATH = "Absolute, or relative to here or to WATCH_PATH; also where a failed file lies now."
_SINCE = "Such as 2d, 12h, 30min, yesterday, 2026-01-31 or 2026-01-31T12:00 (UTC unless an offset is given)."
_PLACES = "Files or directories."
_WIDEST = 100


class UsageError(Exception):
    """The arguments do not fit together; ends with 2."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words, its group, its first line, and its parser."""

    words: str
    group: str
    help: str
    parser: argparse.ArgumentParser


class ArgumentParser(argparse.ArgumentParser):
    """Our parser: options are written out in full, and `--json` is the same everywhere."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False} | options)  # type: ignore[arg-type]
        self._optionals.title = "options"

    def flag(self, name: str, text: str, **more: object) -> None:
        """Take an option without a value."""
        self.add_argument(name, action="store_true", help=text, **more)  # type: ignore[arg-type]

    def answers(self, value: str) -> None:
        """Take `--json`, which shows `value`."""
        self.flag("--json", "Print one JSON document instead of text.", dest="as_json")
        self.set_defaults(answer=value)


class _Top(ArgumentParser):
    """`processor` itself: its help groups the commands."""

    def format_help(self) -> str:
        width = min(shutil.get_terminal_size().columns, _WIDEST) - 2
        parts = ["usage: processor [--version] COMMAND ...", _ABOUT]
        for group in GROUPS:
            rows = [(each.words, each.help) for each in commands(self) if each.group == group and " " not in each.words]
            parts.append(f"{group}:\n" + "\n".join(_row(name, text, width) for name, text in rows))
        parts.append("options:\n" + _row("--version", "Show the version and exit.", width))
        parts.append(textwrap.fill(f"`processor COMMAND --help` tells all of a command. {_EPILOG}", width))
        return "\n\n".join(parts) + "\n"


def _row(name: str, text: str, width: int) -> str:
    return textwrap.fill(text, width, initial_indent=f"  {name:<11}", subsequent_indent=" " * 13)


def parser() -> argparse.ArgumentParser:
    """Return the parser of everything."""
    top = _Top(prog="processor", description=_ABOUT, epilog=_EPILOG)
    top.add_argument("--version", action="version", version=_Version("%(prog)s"), help="Show the version and exit.")
    below = _Below(top)
    _deliver(below)
    _look(below)
    _feed(below)
    _mend(below)
    _one_file(below)
    _for_shells(below)
    return top


def commands(top: argparse.ArgumentParser, before: str = "", group: str = "") -> Iterator[Command]:
    """Yield every command that people are told of, those below `feed` included, in the order of the help."""
    for action in top._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for choice in action._choices_actions:  # noqa: SLF001
                each = action.choices[choice.dest]
                of = each.get_default("group") or group
                if of:
                    yield Command(f"{before}{choice.dest}", of, str(choice.help), each)
                    yield from commands(each, f"{before}{choice.dest} ", of)


class _Version(str):
    """The version, looked up when argparse fills in `%(prog)s`."""

    __slots__ = ()

    def __mod__(self, _values: object) -> str:
        from importlib.metadata import version  # noqa: PLC0415 - 20 ms

        return f"processor {version(DISTRIBUTION)}"


class _Below:
    """Adds commands."""

    def __init__(self, above: argparse.ArgumentParser, module: str = "") -> None:
        self._module = module
        self._all = above.add_subparsers(
            metavar="COMMAND", required=True, dest=f"command_{module or 'top'}", parser_class=ArgumentParser
        )

    def add(self, name: str, run: str, text: str, more: str = "", *, group: str = "") -> ArgumentParser:
        """Add a command; `text` is one sentence, `more` what else is to be known."""
        each: ArgumentParser = self._all.add_parser(name, help=text, description=f"{text} {more}".strip())
        each.set_defaults(run=f"processor.cli.{run}", group=group, as_json=False)
        return each


def _deliver(below: _Below) -> None:
    run = below.add(
        "run",
        "deliver:run",
        "Watch WATCH_PATH and deliver whatever arrives there, until SIGTERM or Ctrl-C.",
        group=DELIVER,
    )
    run.flag("--once", "Deliver what is there now, then end.")
    run.flag("--json", "With --once: one JSON document at the end; the log goes to stderr.", dest="as_json")
    run.set_defaults(answer="processor.daemon.app:RunReport")
    below.add("welcome", "deliver:welcome", "Say, after `make run`, where to drop files and how to look at them.")


def _look(below: _Below) -> None:
    status = below.add(
        "status",
        "status:status",
        "Show counts, files in flight, what waits longest, and failures.",
        group=LOOK,
    )
    status.answers("processor.commands.status:LedgerState")
    status.flag("--watch", "Go on showing it, until Ctrl-C.")
    why = below.add(
        "why", "look:why", "Tell one file's story: its status and the reason, each step, its objects.", group=LOOK
    )
    why.add_argument("path", metavar="PATH", help=_PATH)
    why.answers("processor.commands.ledger:Story")
    ls = below.add("ls", "look:ls", "List the stored objects, with their sizes.", group=LOOK)
    ls.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="Only keys that begin so.")
    ls.answers("processor.commands.store:StoredKeys")
    verify = below.add("verify", "look:verify", "Compare stored objects with what their manifests say.", group=LOOK)
    verify.add_argument("paths", metavar="PATH", nargs="*", help=_PATH)
    verify.flag("--all", "Every delivered file.", dest="every")
    verify.flag("--tables", "Tables against manifests.", dest="in_tables")
    verify.flag("--deep", "Download and hash instead of asking the store.")
    verify.add_argument(
        "--sample", metavar="SHARE", default="100%", help="Only so many of the objects, by chance: 1%%."
    )
    verify.answers("processor.commands.store:Verification")
    tables = below.add("tables", "tables:tables", "Show the tables that feeds' files are part of.", group=LOOK)
    tables.add_argument("name", metavar="NAME", nargs="?", help="Of one table: its snapshots, as the catalog has them.")
    tables.flag("--retry", "Have what was refused wait again: of NAME, or all.")
    tables.answers("processor.commands.tables:TablesReport")
    schema = below.add(
        "schema",
        "look:schema",
        "Tell the columns of delivered tables across files, and where they differ.",
        "From manifests alone.",
        group=LOOK,
    )
    schema.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="Of paths below WATCH_PATH: orders/.")
    schema.flag("--sql", "Print a DuckDB view over what is completely delivered.")
    schema.add_argument("--name", default="delivered", help="The view's name.")
    schema.answers("processor.commands.schema:SchemaReport")
    check = below.add(
        "check",
        "look:check",
        "Check settings and directories, probe the store, show a worker's protections.",
        group=LOOK,
    )
    check.answers("processor.commands.store:CheckReport")
    _dashboard(below)


def _dashboard(below: _Below) -> None:
    each = below.add(
        "dashboard",
        "look:dashboard",
        "Serve a page for the browser: what flows now, every file's journey, failures and `retry`.",
        "A process of its own, which only reads the ledger. It has no accounts: leave it on loopback and come through "
        "`ssh -L 9465:127.0.0.1:9465 HOST`, or put a proxy that knows your users in front of it.",
        group=LOOK,
    )
    each.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default="127.0.0.1:9465",
        help="Where: %(default)s. Whoever reaches it may look, and retry.",
    )
    each.add_argument(
        "--name",
        metavar="HOST",
        action="append",
        default=[],
        help="A further host name under which it is asked, such as a proxy's.",
    )


def _feed(below: _Below) -> None:
    feed = below.add("feed", "feeds:feed", "Write, test and show declarations (FEEDS, docs/FEEDS.md).", group=LOOK)
    feeds = _Below(feed, "feed")
    each = feeds.add(
        "list", "feeds:show_feeds", "Show the feeds in the order in which they are tried, and their deliveries."
    )
    each.answers("processor.commands.feeds:FeedList")
    each = feeds.add(
        "check", "feeds:check", "Tell which feed files are in, what differs, and whether they would arrive."
    )
    each.add_argument("paths", metavar="PATH", nargs="+", help=_PLACES)
    each.answers("processor.commands.feeds:FeedCheck")
    each = feeds.add("infer", "feeds:infer", "Print a feed that holds all the files; comments say why.")
    each.add_argument("paths", metavar="PATH", nargs="*", help=_PLACES)
    each.add_argument("--name", help="The feed's name.")
    each.add_argument("--from-store", metavar="PREFIX", help="Read delivered files' manifests.")
    each.flag("--update", "Show what the files would change, as a diff.")
    each.answers("processor.commands.feeds:InferredFeed")
    feeds.add("schema", "feeds:schema", "Print the JSON Schema of the file of feeds, for editors.")


def _mend(below: _Below) -> None:
    retry = below.add(
        "retry",
        "mend:retry",
        "Make failed files pending again, with all their tries.",
        "They are moved back from the error directory. Several are counted first, and asked for on a terminal.",
        group=MEND,
    )
    retry.add_argument("path", metavar="PATH", nargs="?", help=_PATH)
    retry.flag("--all", "Every failed file.", dest="every")
    retry.add_argument("--code", help="Those that failed with this code, such as csv.malformed-rows.")
    retry.add_argument("--feed", help="Those of this feed.")
    _which(retry, "Those that failed since then.")
    retry.answers("processor.commands.ledger:PendingAgain")
    again = below.add(
        "reprocess",
        "mend:reprocess",
        "Deliver files once more, though they have not changed.",
        "Several are counted first, and asked for on a terminal.",
        group=MEND,
    )
    again.add_argument("path", metavar="PATH", nargs="?", help=_PATH)
    again.add_argument("--feed", help="What this feed concerns and was read otherwise.")
    _which(again, "All that was delivered since then.")
    again.answers("processor.commands.ledger:PendingAgain")
    prune = below.add(
        "prune",
        "mend:prune",
        "Remove objects below the prefix that no manifest names.",
        "Superseded ones, and those of deliveries given up.",
        group=MEND,
    )
    prune.add_argument(
        "--yes", "--delete", action="store_true", dest="yes", help="Remove them; else they are only shown."
    )
    prune.flag("--foreign", "Also what was not delivered by processor.")
    prune.answers("processor.commands.prune:Pruned")
    rebuild = below.add(
        "rebuild",
        "mend:rebuild",
        "Make a lost ledger again from the manifests in the store.",
        "Nothing is uploaded twice afterwards.",
        group=MEND,
    )
    rebuild.answers("processor.delivery.rebuild_ledger:Rebuilt")


def _which(each: ArgumentParser, text: str) -> None:
    each.add_argument("--since", metavar="TIME", help=f"{text} {_SINCE}")
    each.flag("--yes", "Do not ask.")


def _one_file(below: _Below) -> None:
    plan = below.add(
        "plan",
        "one_file:plan",
        "Show what would be done: type, key, dialect, every column's type with its reason.",
        "Directories are gone through, archives are opened; nothing is uploaded.",
        group=ONE_FILE,
    )
    plan.add_argument("paths", metavar="PATH", nargs="+", help=_PLACES)
    plan.answers("processor.commands.plan:Plan")
    convert = below.add(
        "convert",
        "one_file:convert",
        "Convert one data file to Parquet on disk.",
        "By the code and under the protections of the daemon.",
        group=ONE_FILE,
    )
    convert.add_argument("source", metavar="IN", nargs="?", help="CSV, TSV, JSON, JSON Lines or XML; - is stdin.")
    convert.add_argument("target", metavar="OUT", nargs="?", help="The Parquet file to write; - is stdout.")
    convert.flag("--batch", "Read lines IN<TAB>OUT; answer `ok` or `err MESSAGE`.")
    convert.flag("--force", _FORCE)
    convert.answers("processor.commands.convert:Converted")
    extract = below.add(
        "extract",
        "one_file:extract",
        "Extract one archive to a directory.",
        "Data files in it become Parquet, as they would in the store.",
        group=ONE_FILE,
    )
    extract.add_argument("source", metavar="IN", help="An archive.")
    extract.add_argument("directory", metavar="DIR", help="Where to; nothing is written outside it.")
    extract.flag("--force", _FORCE)
    extract.answers("processor.commands.extract:Extracted")


def _for_shells(below: _Below) -> None:
    completion = below.add("completion", "completion:script", "Print the completion for a shell.", group=MEND)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    complete = below.add("complete", "completion:complete", "Print what the last of the words may be completed to.")
    complete.add_argument("words", nargs=argparse.REMAINDER)

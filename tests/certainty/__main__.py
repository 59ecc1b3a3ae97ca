"""Break tables in every way and list what is accepted nevertheless.

    python -m tests.certainty [--corpora DIR] [--kinds KIND ...] [--keep DIR] [--set NAME=VALUE]

Tables are made, and found among the files of a folder. Ends with 1 if a broken table is accepted or a whole one is not.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.certainty.judge import Verdict, judge_broken, judge_whole
from tests.certainty.mutations import MUTATIONS
from tests.certainty.tables import found, made
from tests.tools.batch import OURS, Batch


def main() -> int:
    arguments = _arguments()
    settings = dict(setting.split("=", 1) for setting in arguments.set)
    tables = made() + (list(found(arguments.corpora, arguments.every)) if arguments.corpora else [])
    command = (str(arguments.processor), "convert", "--batch")
    with tempfile.TemporaryDirectory(prefix="certainty-") as name:
        folder = Path(name)
        with Batch(command, {"TYPING": "text"} | settings) as batch:
            verdicts = [] if arguments.kinds != list(MUTATIONS) else list(judge_whole(batch, folder, tables))
        with Batch(command, settings) as batch:
            verdicts += judge_broken(batch, folder, tables, arguments.kinds)
    wrong = [verdict for verdict in verdicts if verdict.wrong]
    _print(verdicts, wrong, arguments.show)
    if arguments.keep:
        _keep(wrong, arguments.keep)
    return bool(wrong)


def _print(verdicts: list[Verdict], wrong: list[Verdict], show: int) -> None:
    total, bad = (Counter(verdict.kind for verdict in some) for some in (verdicts, wrong))
    for kind in total:
        print(f"{bad[kind]:5} wrong of {total[kind]:5}  {kind}")
        for verdict in [one for one in wrong if one.kind == kind][:show]:
            print(f"        {verdict.table}: {verdict.wrong}")
    print(f"{bad.total():5} wrong of {total.total():5}")


def _keep(wrong: list[Verdict], folder: Path) -> None:
    """Write the texts that were answered wrongly, a directory a kind."""
    for verdict in wrong:
        path = folder / verdict.kind / verdict.table.replace("/", "__")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(verdict.suffix).write_bytes(verdict.data)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processor", type=Path, default=OURS, help="the program (default: this environment's)")
    parser.add_argument("--corpora", type=Path)
    parser.add_argument("--every", type=int, default=1, help="of so many files only one")
    parser.add_argument("--kinds", nargs="+", choices=list(MUTATIONS), default=list(MUTATIONS), metavar="KIND")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one more setting")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what was answered wrongly")
    parser.add_argument("--show", type=int, default=2, help="so many of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

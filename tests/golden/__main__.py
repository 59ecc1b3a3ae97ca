"""The safety net for changes that must not change what is made of a file.

    python -m tests.golden make --corpora DIR [--processor CHECKOUT] [--every N] OUT.jsonl
    python -m tests.golden compare BEFORE.jsonl AFTER.jsonl [--ignore KIND]
    python -m tests.golden cpu --against COMMIT

`make` converts every file of a folder under every MALFORMED_ROWS and TYPING and writes down the failure, or the
Parquet's digest, rows, columns and types. `compare` lists what differs between two such files and ends with 1 if
anything does. `cpu` compares what conversions cost here and at another commit.
"""

import argparse
import os
import sys
from pathlib import Path

from tests.golden.compare import differences, read, report
from tests.golden.cpu import cpu
from tests.golden.make import MALFORMED_ROWS, TYPING, Making, make

_MOST = 1.05  # of the CPU seconds before


def main() -> int:
    arguments = _arguments()
    match arguments.command:
        case "make":
            making = Making(
                checkout=arguments.processor.absolute(),
                corpora=arguments.corpora.absolute(),
                every=arguments.every,
                jobs=arguments.jobs,
                more=dict(setting.split("=", 1) for setting in arguments.set),
                malformed_rows=(arguments.malformed_rows,) if arguments.malformed_rows else MALFORMED_ROWS,
                archives=not arguments.no_archives,
                typing=(arguments.typing,) if arguments.typing else TYPING,
            )
            make(making, arguments.out)
            return 0
        case "compare":
            before, after = read(arguments.before), read(arguments.after)
            found = [one for one in differences(before, after) if one.kind not in arguments.ignore]
            both = len(before.records.keys() & after.records.keys())
            print(report(found, arguments.show) or "no differences", f"({both} conversions in both)", sep="\n")
            return bool(found) or not both
        case _:
            return cpu(arguments.against, arguments.mb, arguments.rounds, arguments.only) > _MOST


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("--processor", type=Path, default=Path(), help="a checkout with a .venv (default: here)")
    making.add_argument("--corpora", type=Path, default=os.environ.get("CORPORA"), help="the folder (or $CORPORA)")
    making.add_argument("--every", type=int, default=1, help="of so many files only one, always the same")
    making.add_argument("--jobs", type=int, default=1)
    making.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one more setting")
    making.add_argument("--malformed-rows", choices=MALFORMED_ROWS, help="only this one (default: each)")
    making.add_argument("--typing", choices=TYPING, help="only this one (default: each)")
    making.add_argument("--no-archives", action="store_true", help="leave out what `extract` makes of archives")
    making.add_argument("out", type=Path)
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--ignore", nargs="*", default=[], metavar="KIND", help='such as "message changed"')
    comparing.add_argument("--show", type=int, default=5, help="so many of each kind")
    costs = commands.add_parser("cpu")
    costs.add_argument("--against", required=True, metavar="COMMIT")
    costs.add_argument("--mb", type=int, default=40)
    costs.add_argument("--rounds", type=int, default=3)
    costs.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    if arguments.command == "make" and not (arguments.corpora and Path(arguments.corpora).is_dir()):
        parser.error("--corpora is not a folder")
    arguments.corpora = Path(arguments.corpora) if arguments.command == "make" else None
    return arguments


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.faults.torture --hours H --seed N`: chaos for hours, in rounds, each with a seed of its own."""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import chaos


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--round-seconds", type=float, default=600.0, help="activity and accidents of one round")
    parser.add_argument("--seed", type=int, default=None, help="replay: the seed of the first round")
    parser.add_argument("--home", type=Path, default=None, help="where to work; a temporary directory otherwise")
    parser.add_argument("--kills", type=int, default=10**9, help="enough, even before the time is up")
    parser.add_argument("--pace-seconds", type=float, default=0.05, help="between two changes to files, on average")
    parser.add_argument("--calm-seconds", type=float, default=2.0, help="between two accidents, on average")
    parser.add_argument("--report", type=Path, default=Path("torture.json"))
    parser.add_argument("--after-upload", choices=("keep", "delete"), default="keep")
    parser.add_argument("--warm", action="store_true", help="daemons are forks of a warm process: cheaper kills")
    parser.add_argument("--mostly-kills", action="store_true", help="fewer of the accidents that take their time")
    options = parser.parse_args()
    end = time.monotonic() + options.hours * 3600
    home = options.home or Path(tempfile.mkdtemp(prefix="torture-"))
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    reports = []
    while not reports or (time.monotonic() < end and sum(each.kills for each in reports) < options.kills):
        print(f"round {len(reports) + 1}, seed {seed}", flush=True)
        seconds = min(options.round_seconds, max(10.0, end - time.monotonic()))
        report = chaos.run(
            home / str(seed),
            seed,
            seconds,
            pace_seconds=options.pace_seconds,
            calm_seconds=options.calm_seconds,
            is_warm=options.warm,
            mostly_kills=options.mostly_kills,
            AFTER_UPLOAD=options.after_upload,
        )
        reports.append(report)
        print(report.text(), flush=True)
        options.report.write_text(json.dumps([json.loads(each.text()) for each in reports], indent=1))
        if report.violations:
            print(f"{len(report.violations)} violations; kept in {home / str(seed)}; replay with --seed {seed}")
            return 1
        seed += 1
    print(f"{sum(each.kills for each in reports)} kills in {len(reports)} rounds, no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())

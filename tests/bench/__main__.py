"""Measure the daemon beside what a user would do instead.

    python -m tests.bench [--quick] [--scale 0.1] [--rounds 3] [--store juicefs] [--only csv-small latency ...]

Prints a table, writes tests/bench/out/results.json and charts beside it, and, for the whole of a full run, the chart of
docs/PERFORMANCE.md. Data, stores and what the sides write lie on tmpfs when there is one.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import chart, commands, growth, latency, starts, stores
from tests.bench.cases import CASES
from tests.bench.comparison import Bench
from tests.bench.tools import OUT, ROOT, install

_BUCKET = "bench"
_STORES = {"juicefs": stores.juicefs, "seaweedfs": stores.seaweedfs, "sink": stores.sink}


def main() -> None:
    arguments = _arguments()
    install()
    results: dict[str, Any] = {"machine": _machine(), "store": arguments.store, "cases": [], "files": [], "sizes": []}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.directory) as place:
        directory = Path(place)
        (directory / "store").mkdir()
        with _STORES[arguments.store](directory / "store", _BUCKET) as store:
            bench = Bench(store, _BUCKET, directory)
            for case in CASES:
                if case.name in arguments.only:
                    found = bench.compare(case, arguments.scale, arguments.rounds)
                    results["cases"].append(found)
                    _print_case(found)
            if "latency" in arguments.only:
                results["latency"] = latency.measure(bench, 50 if arguments.quick else 200)
                print("latency", results["latency"], flush=True)
            if "commands" in arguments.only:
                results["commands"] = commands.measure(directory, 3 if arguments.quick else 9)
                print("commands, CPU s", results["commands"], "wanted", commands.TARGETS, flush=True)
            if "starts" in arguments.only:
                results["starts"] = starts.measure(bench, 100_000 if arguments.quick else 1_000_000)
                print("starts, s", results["starts"], "wanted", starts.TARGETS, flush=True)
            for count in arguments.files if "files" in arguments.only else ():
                results["files"].append(growth.of_files(bench, count))
                print("files", results["files"][-1], flush=True)
            for megabytes in arguments.megabytes if "sizes" in arguments.only else ():
                results["sizes"].append(growth.of_size(bench, megabytes))
                print("size", results["sizes"][-1], flush=True)
    store = "" if arguments.store == "juicefs" else f"-{arguments.store}"
    path = OUT / f"results{store}{'' if set(_KINDS) == set(arguments.only) else '-' + '-'.join(arguments.only)}.json"
    path.write_text(json.dumps(results, indent=1))
    chart.draw(results, path.with_suffix(".png"))
    if arguments.scale == 1 and not store and set(_KINDS) == set(arguments.only):
        images = ROOT / "docs" / "images"
        images.mkdir(parents=True, exist_ok=True)
        shutil.copy(path.with_suffix(".png"), images / "performance.png")
    print(f"{path}, {path.with_suffix('.png')}")


_KINDS = (*(case.name for case in CASES), "latency", "commands", "starts", "files", "sizes")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the data, each side twice")
    parser.add_argument("--scale", type=float, help="share of the full amount of data")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--store", choices=_STORES, default="juicefs")
    parser.add_argument("--only", nargs="+", choices=_KINDS, default=list(_KINDS))
    parser.add_argument("--files", nargs="+", type=int, help="how many files, for the cost as their number grows")
    parser.add_argument("--megabytes", nargs="+", type=int, help="how large a file, for the cost as it grows")
    parser.add_argument("--directory", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    arguments = parser.parse_args()
    arguments.scale = arguments.scale or (0.05 if arguments.quick else 1.0)
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 3)
    arguments.files = arguments.files or ([300, 1000] if arguments.quick else [1000, 10_000, 100_000, 1_000_000])
    arguments.megabytes = arguments.megabytes or ([10, 100] if arguments.quick else [100, 1000, 10_000])
    return arguments


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")
    return {
        "when": time.strftime("%Y-%m-%d %H:%M"),
        "processors": os.cpu_count(),
        "model": model.strip(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "load_before": os.getloadavg(),
    }


def _print_case(found: dict[str, Any]) -> None:
    print(f"\n{found['title']} (x {found['scale']:g}, {found['bytes'] / 1e6:.0f} MB)")
    print(
        f"  {'':20} {'wall s':>8} {'CPU s':>8} {'store CPU':>9} {'peak MB':>8} {'main MB':>8} {'load':>5}   ours/theirs"
    )
    for name, cost in found["sides"].items():
        ratio, cpu, target = found["ratios"][name], found["cpu_ratios"][name], found["targets"].get(name)
        wanted = "" if target is None else f"  wanted {target:.2f}: {'yes' if ratio <= target else 'MISSED'}"
        print(
            f"  {name:20} {cost['wall_seconds']:8.2f} {cost['cpu_seconds']:8.2f} {cost['store_cpu']:9.2f}"
            f" {cost['tree_mb']:8.0f} {cost['main_mb']:8.0f} {cost['load']:5.1f}   {ratio:.2f} (CPU {cpu:.2f}){wanted}",
            flush=True,
        )


if __name__ == "__main__":
    main()

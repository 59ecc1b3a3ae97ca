"""One picture of a run: each case as a ratio, and cost as work grows."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

_OURS = "processor"


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw what the run has: it may have only some of the cases."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(17, 6), gridspec_kw={"width_ratios": [2, 1, 1]})
    _draw_cases(left, results["cases"])
    _draw_growth(
        middle, [(x["files"], x["delivery"]["wall_seconds"], x["delivery"]["main_mb"]) for x in results["files"]]
    )
    middle.set_xlabel("files")
    _draw_growth(right, [(x["megabytes"], x["wall_seconds"], x["largest_child_mb"]) for x in results["sizes"]])
    right.set_xlabel("MB of one CSV (memory: the largest process)")
    figure.suptitle(f"{results['machine']['processors']} processors, store: {results['store']}")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_growth(files: list[dict[str, Any]], path: Path) -> None:
    """Draw what more files cost: in all, and each of them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5))
    _draw_growth(left, [(x["files"], x["delivery"]["wall_seconds"], x["delivery"]["main_mb"]) for x in files])
    counts = [x["files"] for x in files]
    right.semilogx(counts, [x["cpu_ms_a_file"] for x in files], "o-", label="CPU ms a file, start included")
    right.semilogx(
        counts, [x["ledger_bytes_a_file"] / 100 for x in files], "s--", label="ledger, hundreds of bytes a file"
    )
    right.set_ylim(bottom=0)
    right.legend()
    right.grid(visible=True, which="both", alpha=0.3)
    for axes in (left, right):
        axes.set_xlabel("files, delivered to a store that keeps nothing")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_cases(axes: Any, cases: list[dict[str, Any]]) -> None:
    labels, values, targets = [], [], []
    for case in reversed(cases):
        for name in reversed(case["sides"]):
            if name != _OURS:
                labels.append(f"{case['case']} / {name}")
                values.append(case["ratios"][name])
                targets.append(case["targets"].get(name))
    places = range(len(labels))
    colours = [_colour(value, target) for value, target in zip(values, targets, strict=True)]
    axes.barh(list(places), values, color=colours)
    for place, target, value in zip(places, targets, values, strict=True):
        axes.text(value, place, f" {value:.2f}", va="center")
        if target is not None:
            axes.plot([target, target], [place - 0.4, place + 0.4], color="black")
    axes.set_yticks(list(places), labels)
    axes.axvline(1, color="grey", linestyle=":")
    axes.set_xlabel("wall time, ours / theirs (black: wanted)")


def _colour(value: float, target: float | None) -> str:
    if target is None:
        return "tab:gray"  # nothing was wanted
    return "tab:red" if value > target else "tab:green"


def _draw_growth(axes: Any, points: list[tuple[float, float, float]]) -> None:
    if not points:
        axes.set_axis_off()
        return
    x, seconds, memory = zip(*points, strict=True)
    axes.loglog(x, seconds, "o-", label="seconds")
    axes.loglog(x, memory, "s--", label="memory, MB")
    axes.legend()
    axes.grid(visible=True, which="both", alpha=0.3)

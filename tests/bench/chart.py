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

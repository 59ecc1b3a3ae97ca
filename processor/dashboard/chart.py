"""Bars of the throughput chart, as numbers for the template."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processor.commands.humanize import moment, size
from processor.dashboard.records import Bucket

WIDTH, HEIGHT = 720, 150
_LEFT, _BOTTOM, _TOP = 72, 22, 16
_LABELS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of time: a good part, a bad part on top of it, and what to say of both."""

    x: float
    width: float
    good_y: float
    good_height: float
    bad_y: float
    bad_height: float
    title: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template needs; lengths are those of the view box."""

    title: str
    total: str
    bars: tuple[Bar, ...]
    levels: tuple[Label, ...]
    times: tuple[Label, ...]
    left: int = _LEFT
    width: int = WIDTH
    height: int = HEIGHT


def files_chart(buckets: Sequence[Bucket]) -> Chart:
    """Return the chart of files: completed, with failed on top."""
    good, bad = [bucket.completed for bucket in buckets], [bucket.failed for bucket in buckets]
    total = f"{sum(good):,} delivered, {sum(bad):,} failed"
    return _chart("files", total, buckets, good, bad, lambda count: f"{count:,.0f}")


def bytes_chart(buckets: Sequence[Bucket]) -> Chart:
    """Return the chart of bytes of delivered files."""
    good = [bucket.size_bytes for bucket in buckets]
    return _chart("bytes", size(sum(good)), buckets, good, [0] * len(good), size)


def _chart(
    title: str,
    total: str,
    buckets: Sequence[Bucket],
    good: Sequence[int],
    bad: Sequence[int],
    shown: Callable[[float], str],
) -> Chart:
    top = _round_up(max((g + b for g, b in zip(good, bad, strict=True)), default=0))
    step = (WIDTH - _LEFT) / max(len(buckets), 1)
    room = HEIGHT - _BOTTOM - _TOP
    floor = HEIGHT - _BOTTOM
    bars = []
    for index, bucket in enumerate(buckets):
        good_height, bad_height = room * good[index] / top, room * bad[index] / top
        failed = f", {shown(bad[index])} failed" if bad[index] else ""
        bars.append(
            Bar(
                x=round(_LEFT + index * step, 2),
                width=round(step * 0.8, 2),
                good_y=round(floor - good_height, 2),
                good_height=round(good_height, 2),
                bad_y=round(floor - good_height - bad_height, 2),
                bad_height=round(bad_height, 2),
                title=f"{moment(bucket.start_ms)[:16]} UTC: {shown(good[index])}{failed}",
            )
        )
    levels = tuple(Label(round(floor - room * share, 2), _brief(shown(top * share))) for share in (0, 0.5, 1))
    return Chart(title, total, tuple(bars), levels, _times(buckets, step))


def _times(buckets: Sequence[Bucket], step: float) -> tuple[Label, ...]:
    if len(buckets) < _LABELS:
        return ()
    long = buckets[-1].start_ms - buckets[0].start_ms > 2 * 86_400_000
    every = len(buckets) // _LABELS
    texts = ((index, moment(buckets[index].start_ms)) for index in range(0, len(buckets), every))
    return tuple(Label(round(_LEFT + index * step, 2), text[5:10] if long else text[11:16]) for index, text in texts)


def _brief(level: str) -> str:
    return level.replace(".0 ", " ")


def _round_up(value: int) -> int:
    """Return the next number whose half is a round one too: 2, 4, 6, 8, 10, 20, 40 ..."""
    power = 1
    while True:
        for factor in (2, 4, 6, 8, 10):
            if value <= factor * power:
                return factor * power
        power *= 10

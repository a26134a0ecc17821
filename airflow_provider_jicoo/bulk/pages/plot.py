"""The plot of a run: requests, refusals and the learnt pace over time. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

WIDTH, HEIGHT, BOTTOM, TOP = 900, 220, 24, 18
BURST = 1.6
"""How many times as high as nearly all else a peak has to be to be cut off, and said in words instead."""
FEW = 20
"""Of so few values none is unlike nearly all others."""


class Line(NamedTuple):
    """A line of the plot, by the name of its class in the style."""

    name: str
    points: str


class Mark(NamedTuple):
    """A line across, and what it stands for."""

    y: int
    label: str


class Peak(NamedTuple):
    """What is higher than the plot, where in its width, in percent, and how high."""

    x: float
    anchor: str
    label: str


@dataclass(frozen=True)
class Plot:
    """What is drawn.

    Lines are as wide as the page; heights are pixels, and texts stand beside them as they are, so that they can be read
    on a phone too.

    :param end: seconds that it shows.
    """

    lines: Sequence[Line]
    marks: Sequence[Mark]
    peaks: Sequence[Peak]
    end: float
    width: int = WIDTH
    height: int = HEIGHT


def plot(timeline: Sequence[Mapping[str, Any]]) -> Plot | None:
    """Return the plot of a run, or None where there is too little to draw.

    :param timeline: samples, each a ``TimelineSample``.
    """
    if len(timeline) < 3:
        return None
    steps = list(pairwise(timeline))
    end = float(timeline[-1]["seconds"]) or 1.0
    gaps = [max(after["seconds"] - before["seconds"], 1e-6) for before, after in steps]
    values = {
        "sent": _rates(steps, gaps, "requests"),
        "refused": _rates(steps, gaps, "refused"),
        "pace": [(float(after["seconds"]), float(after["pace"])) for _, after in steps if after["pace"] is not None],
    }
    top = _top([*values["sent"], *values["pace"]])
    lines = [Line(name, _points(points, end, top)) for name, points in values.items() if points]
    marks = [Mark(round(_y(rate, top)), f"{rate:,.10g}/s") for rate in _marked(top)]
    return Plot(lines, marks, _peaks(values["sent"], end, top), end)


def _rates(
    steps: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]], gaps: Iterable[float], name: str
) -> list[tuple[float, float]]:
    return [
        (float(after["seconds"]), (after[name] - before[name]) / gap)
        for (before, after), gap in zip(steps, gaps, strict=True)
    ]


def _top(values: Sequence[tuple[float, float]]) -> float:
    """Return what the plot reaches up to: all, or without a burst that would press all else to the ground.

    A run begins with as many requests as may be under way at once, before a pace is learnt: for a second some hundreds
    a second, and then ten for an hour.
    """
    rates = sorted(rate for _, rate in values)
    most, nearly_all = rates[-1], rates[max(0, int(0.95 * len(rates)) - 1)]
    is_cut = len(rates) > FEW and most > BURST * nearly_all > 0
    return max(1.0, 1.2 * nearly_all if is_cut else most) * 1.05


def _marked(top: float) -> list[float]:
    """Return the rates that get a line across: round ones, from none on, at most six."""
    tens = 10 ** math.floor(math.log10(top / 5))
    step: float = next(tens * nice for nice in (1, 2, 5, 10) if tens * nice >= top / 5)
    return [round(step * number, 9) for number in range(math.floor(top / step) + 1)]


def _peaks(values: Sequence[tuple[float, float]], end: float, top: float) -> list[Peak]:
    """Return the highest of what is cut off."""
    cut = [value for value in values if value[1] > top]
    if not cut:
        return []
    at, rate = max(cut, key=lambda value: value[1])
    share = _x(at, end) / WIDTH
    return [Peak(round(100 * share, 1), "start" if share < 0.5 else "end", f"{rate:,.0f}/s")]


def _points(values: Iterable[tuple[float, float]], end: float, top: float) -> str:
    return " ".join(f"{_x(at, end):.1f},{_y(min(rate, top), top):.1f}" for at, rate in values)


def _x(at: float, end: float) -> float:
    return WIDTH * min(max(at / end, 0.0), 1.0)


def _y(rate: float, top: float) -> float:
    return TOP + (HEIGHT - BOTTOM - TOP) * (1 - rate / top)

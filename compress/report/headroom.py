"""Budgets on one scale: how far each figure lies inside or beyond its limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compress.report.schema import CheckRow, VerdictRow

WIDTH, HEIGHT = 360.0, 28.0
_LINEAR = 0.02
"""Up to this distance from the limit the scale is about linear, beyond it logarithmic."""
_LEAST, _MOST = math.log(1.12), math.log(1000.0)
"""The shortest and the longest side of the limit, as a logarithm of the ratio to it."""
_TICKS = {
    "1 %": math.log(1.01),
    "10 %": math.log(1.1),
    "2×": math.log(2.0),
    "10×": math.log(10.0),
    "100×": math.log(100.0),
}
_PAD = 8.0
_APART = 32.0
"""Room that a tick's text takes."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Mark a round distance from the limit; `text` is empty where it would not fit."""

    text: str
    x: float


@dataclass(frozen=True, slots=True)
class Axis:
    """Map a figure's ratio to its limit to a place: the limit is where `limit` is, on every row.

    `beyond` and `inside` are the ends: logarithms of the ratio to the limit, on either side of it.
    The right is always the better side. The scale is a symmetric logarithm (asinh), so that 2 %
    of retention and 10 times of latency can both be read.
    """

    beyond: float = _LEAST
    inside: float = _LEAST

    @property
    def limit(self) -> float:
        """Return the place of the limit."""
        return self.at(0.0)

    def at(self, headroom: float) -> float:
        """Return the place of a headroom; one beyond the ends is put at the end."""
        low, high = -_bent(self.beyond), _bent(self.inside)
        place = min(max(_bent(headroom), low), high)
        return round(_PAD + (WIDTH - 2 * _PAD) * (place - low) / (high - low), 2)

    def ticks(self) -> list[Tick]:
        """Return the marks on both sides; a text that would touch another one is left out."""
        ends = [(text, log) for text, log in _TICKS.items() if log <= self.inside]
        ends += [(text, -log) for text, log in _TICKS.items() if log <= self.beyond]
        shown: list[Tick] = []
        taken = [self.limit]
        for text, log in sorted(ends, key=lambda end: -abs(end[1])):
            x = self.at(log)
            free = all(abs(x - other) >= _APART for other in taken)
            taken += [x] if free else []
            shown.append(Tick(text if free else "", x))
        return sorted(shown, key=lambda tick: tick.x)


@dataclass(frozen=True, slots=True)
class Bar:
    """Lay out a check's row: its value and its bounds on the axis, from the worse to the better."""

    check: CheckRow
    axis: Axis

    @property
    def value(self) -> float | None:
        """Return the place of the value; None where nothing was measured."""
        share = headroom(self.check, self.check.value)
        return None if share is None else self.axis.at(share)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the places of the worse and the better bound; None where one is not known."""
        ends = [headroom(self.check, bound) for bound in (self.check.lower, self.check.upper)]
        known = sorted(self.axis.at(end) for end in ends if end is not None)
        return (known[0], known[-1]) if len(known) == len(ends) else None

    @property
    def shape(self) -> str:
        """Return the mark's outline as a path's data: a dot, a cross or a diamond by status."""
        x, y = self.value or 0.0, HEIGHT / 2
        match self.check.status:
            case "PASS":
                return f"M{x - 5} {y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z"
            case "FAIL":
                return f"M{x - 5} {y - 5}l10 10m0 -10l-10 10"
            case _:
                return f"M{x} {y - 6}l6 6l-6 6l-6 -6z"


def headroom(check: CheckRow, figure: float | None) -> float | None:
    """Return how far a figure lies inside its limit: the logarithm of their ratio.

    Positive is inside, 0 is the limit, negative is beyond it; infinite where one of them is 0.
    """
    if figure is None:
        return None
    better, worse = (check.limit, figure) if check.bound == "max" else (figure, check.limit)
    if better <= 0 or worse <= 0:
        return 0.0 if better == worse else math.copysign(math.inf, better - worse)
    return math.log(better / worse)


def said(check: CheckRow) -> str:
    """Say how far the value lies from the limit: 2.2 times better than the limit."""
    distance = headroom(check, check.value)
    if distance is None:
        return "not measured"
    side = "better than the limit" if distance > 0 else "worse than the limit"
    ratio = math.exp(min(abs(distance), _MOST))
    if ratio >= math.exp(_MOST):
        return f"1,000 times {side}, or more"
    if ratio >= 2:
        return f"{ratio:.{3 if ratio >= 100 else 2}g} times {side}"
    percent = f"{100 * (ratio - 1):.2g}"
    return "at the limit" if float(percent) < 0.01 else f"{percent} % {side}"


def axis_of(verdicts: Iterable[VerdictRow]) -> Axis:
    """Return the one axis that holds every check of a report."""
    checks = [check for verdict in verdicts for check in verdict.checks]
    distances = [
        distance
        for check in checks
        for figure in (check.value, check.lower, check.upper)
        if (distance := headroom(check, figure)) is not None
    ]
    return Axis(_side([-distance for distance in distances]), _side(distances))


def _side(distances: Sequence[float]) -> float:
    """Return how far a side reaches: a little beyond the farthest figure on it."""
    return min(max([_LEAST, *(1.1 * distance for distance in distances)]), _MOST)


def _bent(headroom: float) -> float:
    return math.asinh(min(max(headroom, -_MOST), _MOST) / _LINEAR)

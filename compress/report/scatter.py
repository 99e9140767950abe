"""Draw the score against latency; the area of a mark is the model's size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from compress.report import units
from compress.report.layout import Layout
from compress.report.scale import linear, logarithmic
from compress.report.schema import StageRow

_SMALLEST_RADIUS = 3.5
_ROUND_SIZES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane(Layout):
    """Hold the sizes of a drawing with one plane of marks."""

    height: float
    largest_radius: float
    left: float = 46.0
    top: float = 44.0
    bottom: float = 46.0

    @property
    def floor(self) -> float:
        """Return where the lower axis is."""
        return self.height - self.bottom


WIDE = Plane(name="wide", width=880, height=460, font=13, largest_radius=26)
NARROW = Plane(name="narrow", width=360, height=400, font=11.5, largest_radius=18)


@dataclass(frozen=True, slots=True)
class Point:
    """Hold a row that has a score and a latency; `number` is its place in the stage table."""

    number: int
    row: StageRow
    latency_ms: float
    score: float

    @property
    def role(self) -> str:
        """Return the CSS class of a mark: selected, teacher or none."""
        return "selected" if self.row.selected else "teacher" if self.row.teacher else ""

    @property
    def sentence(self) -> str:
        """Say the row's figures."""
        return (
            f"{self.number} {self.row.name}: {self.row.score_name} {units.percent(self.score)},"
            f" p50 {units.number(self.latency_ms)} ms, {units.megabytes(self.row.size_mb)} MB"
        )


def points(rows: Sequence[StageRow]) -> list[Point]:
    """Return the rows that can be drawn."""
    return [
        Point(number, row, row.latency_p50_ms, row.judged.value)
        for number, row in enumerate(rows, 1)
        if row.latency_p50_ms and row.judged.value is not None
    ]


def pareto(seen: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in both, from the fastest to the most accurate."""
    front: list[Point] = []
    for point in sorted(seen, key=lambda point: (point.latency_ms, -point.score)):
        if not front or point.score > front[-1].score:
            front.append(point)
    return front


class Mark(NamedTuple):
    """Place a point: its centre, its radius and its whisker's ends, if it has one."""

    point: Point
    x: float
    y: float
    radius: float
    whisker: tuple[float, float] | None


class Key(NamedTuple):
    """Place a circle that says how large a size is drawn."""

    text: str
    x: float
    y: float
    radius: float


class Drawing:
    """Lay out at least one point; `ident` keeps the drawing's ids apart from others'."""

    def __init__(self, seen: Sequence[Point], layout: Plane, ident: str) -> None:
        self.seen = seen
        self.layout = layout
        self.ident = ident
        bounds = [
            100 * bound
            for point in seen
            for bound in (point.score, point.row.judged.lower, point.row.judged.upper)
            if bound is not None
        ]
        latencies = [point.latency_ms for point in seen]
        self.x = logarithmic(latencies, layout.left, layout.end, pad=1.35)
        self.y = linear(bounds, layout.floor, layout.top, pad=0.14, least=1.0)
        self.score_name = seen[0].row.score_name
        self._largest_mb = max(point.row.size_mb or 0.0 for point in seen)

    def marks(self) -> list[Mark]:
        """Return the marks, the largest first: it would hide the others."""
        ordered = sorted(self.seen, key=lambda point: -(point.row.size_mb or 0.0))
        return [self._mark(point) for point in ordered]

    def numbers(self) -> Iterator[tuple[Mark, float]]:
        """Yield where each mark's number stands: above it, higher where another number is."""
        font = self.layout.font
        placed: list[tuple[float, float]] = []
        for mark in map(self._mark, self.seen):
            foot = min((mark.y - mark.radius, *(mark.whisker or ()))) - font / 3
            while any(abs(mark.x - x) < 2 * font and abs(foot - y) < font for x, y in placed):
                foot -= font
            placed.append((mark.x, foot))
            yield mark, round(foot, 2)

    def front(self) -> str:
        """Return the corners of the line that joins what no other point beats."""
        best = [self._mark(point) for point in pareto(self.seen)]
        corners = [(mark.x, mark.y) for mark in best[:1]]
        for before, after in itertools.pairwise(best):
            corners += [(after.x, before.y), (after.x, after.y)]
        return " ".join(f"{x},{y}" for x, y in corners)

    def keys(self) -> Iterator[Key]:
        """Yield circles of a round size and a tenth of it, from the right to the left."""
        largest = max((mb for mb in _ROUND_SIZES if mb <= self._largest_mb), default=0.0)
        right, y = self.layout.end, self.layout.top / 2 - 4
        for size_mb in (largest, largest / 10) if largest else ():
            text, radius = f"{size_mb:g} MB", self._radius(size_mb)
            right -= len(text) * self.layout.font * 0.56 + 6 + radius
            yield Key(text, round(right, 2), y, radius)
            right -= radius + 12

    def _mark(self, point: Point) -> Mark:
        bounds = (point.row.judged.lower, point.row.judged.upper)
        lower, upper = (self.y.at(100 * b) if b is not None else None for b in bounds)
        return Mark(
            point,
            self.x.at(point.latency_ms),
            self.y.at(100 * point.score),
            self._radius(point.row.size_mb),
            (lower, upper) if lower is not None and upper is not None else None,
        )

    def _radius(self, size_mb: float | None) -> float:
        """Return a size's radius: the area is what is proportional."""
        if not size_mb:
            return _SMALLEST_RADIUS
        share = math.sqrt(size_mb / self._largest_mb)
        return round(max(_SMALLEST_RADIUS, self.layout.largest_radius * share), 2)


def drawings(rows: Sequence[StageRow], prefix: str = "") -> list[Drawing]:
    """Return the same drawing for wide and for narrow screens; none where no row can be drawn."""
    seen = points(rows)
    return [Drawing(seen, layout, prefix + layout.name) for layout in (WIDE, NARROW) if seen]

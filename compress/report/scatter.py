"""Accuracy against latency, the size as the mark's area: the trade that the run explored."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compress.report import units
from compress.report.markup import Markup, join, tag
from compress.report.scale import Scale, linear, logarithmic
from compress.report.schema import StageRow

_SMALLEST_RADIUS = 3.5
_ROUND_SIZES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000)


@dataclass(frozen=True, slots=True)
class Layout:
    """Size a drawing, in its own units; `name` is the class that shows it on such a screen."""

    name: str
    width: float
    height: float
    font: float
    largest_radius: float
    left: float = 46.0
    right: float = 14.0
    top: float = 44.0
    bottom: float = 46.0

    @property
    def end(self) -> float:
        """Return where the right axis would be."""
        return self.width - self.right

    @property
    def floor(self) -> float:
        """Return where the lower axis is."""
        return self.height - self.bottom


WIDE = Layout("wide", width=880, height=460, font=13, largest_radius=26)
NARROW = Layout("narrow", width=360, height=400, font=11.5, largest_radius=18)


@dataclass(frozen=True, slots=True)
class Point:
    """A row that has both an accuracy and a latency; `number` is its place in the stage table."""

    number: int
    row: StageRow
    latency_ms: float
    accuracy: float


def points(rows: Sequence[StageRow]) -> list[Point]:
    """Return the rows that can be drawn."""
    return [
        Point(number, row, row.latency_p50_ms, row.accuracy)
        for number, row in enumerate(rows, 1)
        if row.latency_p50_ms and row.accuracy is not None
    ]


def pareto(seen: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in both, from the fastest to the most accurate."""
    front: list[Point] = []
    for point in sorted(seen, key=lambda point: (point.latency_ms, -point.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front


def render(seen: Sequence[Point], layout: Layout, ident: str) -> Markup:
    """Return the drawing of at least one point as inline SVG; `ident` keeps its ids apart."""
    x, y = _scales(seen, layout)
    largest = max((point.row.size_mb or 0.0 for point in seen), default=0.0)
    sizes = _Sizes(largest, layout.largest_radius)
    drawn = sorted(seen, key=lambda point: -(point.row.size_mb or 0.0))
    return tag(
        "svg",
        tag("title", "Accuracy against latency", id=f"{ident}-title"),
        tag("desc", _description(seen), id=f"{ident}-desc"),
        _axes(x, y, layout),
        _front(pareto(seen), x, y),
        [_error_bar(point, x, y) for point in drawn],
        [_mark(point, x, y, sizes) for point in drawn],
        _numbers(seen, x, y, sizes, layout.font),
        _size_key(sizes, layout),
        viewBox=f"0 0 {layout.width:g} {layout.height:g}",
        class_=f"scatter {layout.name}",
        role="img",
        aria_labelledby=f"{ident}-title {ident}-desc",
    )


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Map megabytes to a radius: the area is what is proportional."""

    largest_mb: float
    largest_radius: float

    def radius(self, size_mb: float | None) -> float:
        if not size_mb or not self.largest_mb:
            return _SMALLEST_RADIUS
        share = math.sqrt(size_mb / self.largest_mb)
        return max(_SMALLEST_RADIUS, self.largest_radius * share)


def _scales(seen: Sequence[Point], layout: Layout) -> tuple[Scale, Scale]:
    accuracies = [
        100 * bound
        for point in seen
        for bound in (point.accuracy, point.row.accuracy_lower, point.row.accuracy_upper)
        if bound is not None
    ]
    latencies = [point.latency_ms for point in seen]
    return (
        logarithmic(latencies, layout.left, layout.end, pad=1.35),
        linear(accuracies, layout.floor, layout.top, pad=0.14, least=1.0),
    )


def _axes(x: Scale, y: Scale, layout: Layout) -> Markup:
    lines = [
        tag("line", x1=layout.left, x2=layout.end, y1=y.at(v), y2=y.at(v), class_="grid")
        for v in y.ticks(8)
    ]
    lines += [
        tag("line", x1=x.at(v), x2=x.at(v), y1=layout.top, y2=layout.floor, class_="grid")
        for v in x.ticks()
    ]
    texts = [
        _text(f"{v:g}", layout.left - 8, y.at(v) + 4, layout.font - 1, "tick", "end")
        for v in y.ticks(8)
    ]
    texts += [
        _text(f"{v:g}", x.at(v), layout.floor + 18, layout.font - 1, "tick", "middle")
        for v in x.ticks()
    ]
    return join(
        [
            *lines,
            *texts,
            _text("accuracy, %", 4, layout.top - 22, layout.font, "axis", "start"),
            _text(
                "← faster · latency p50, ms, log scale",
                layout.end,
                layout.height - 8,
                layout.font,
                "axis",
                "end",
            ),
        ]
    )


def _front(front: Sequence[Point], x: Scale, y: Scale) -> Markup | None:
    corners = _corners(front, x, y)
    if len(corners) < 2:
        return None
    written = " ".join(f"{across:.1f},{down:.1f}" for across, down in corners)
    return tag("polyline", points=written, class_="front")


def _corners(front: Sequence[Point], x: Scale, y: Scale) -> list[tuple[float, float]]:
    corners = [(x.at(p.latency_ms), y.at(100 * p.accuracy)) for p in front[:1]]
    for before, after in itertools.pairwise(front):
        across, down = x.at(after.latency_ms), y.at(100 * after.accuracy)
        corners += [(across, y.at(100 * before.accuracy)), (across, down)]
    return corners


def _error_bar(point: Point, x: Scale, y: Scale) -> Markup | None:
    lower, upper = point.row.accuracy_lower, point.row.accuracy_upper
    if lower is None or upper is None:
        return None
    place_x, low, high = x.at(point.latency_ms), y.at(lower * 100), y.at(upper * 100)
    cap = 3.5
    return tag(
        "path",
        d=f"M{place_x:.1f} {low:.1f}V{high:.1f}"
        f"M{place_x - cap:.1f} {low:.1f}h{2 * cap}M{place_x - cap:.1f} {high:.1f}h{2 * cap}",
        class_="whisker",
    )


def _mark(point: Point, x: Scale, y: Scale, sizes: _Sizes) -> Markup:
    return tag(
        "circle",
        tag("title", _sentence(point)),
        cx=x.at(point.latency_ms),
        cy=y.at(point.accuracy * 100),
        r=sizes.radius(point.row.size_mb),
        class_=f"mark {_role(point)}".rstrip(),
    )


def _numbers(
    seen: Sequence[Point], x: Scale, y: Scale, sizes: _Sizes, font: float
) -> Iterator[Markup]:
    """Write each point's number above it, higher where another number is."""
    placed: list[tuple[float, float]] = []
    for point in seen:
        across = x.at(point.latency_ms)
        above = y.at(100 * point.accuracy) - sizes.radius(point.row.size_mb)
        if point.row.accuracy_upper is not None:
            above = min(above, y.at(100 * point.row.accuracy_upper))
        above -= font / 3
        while any(abs(across - a) < 2 * font and abs(above - b) < font for a, b in placed):
            above -= font
        placed.append((across, above))
        class_ = f"label {_role(point)}".rstrip()
        yield _text(str(point.number), across, above, font, class_, "middle")


def _size_key(sizes: _Sizes, layout: Layout) -> Markup | None:
    shown = [mb for mb in _ROUND_SIZES if mb <= sizes.largest_mb][-1:]
    shown = [mb for mb in (shown[0] / 10, shown[0]) if mb] if shown else []
    parts: list[Markup] = []
    right, middle = layout.end, layout.top / 2 - 4
    for size_mb in reversed(shown):
        words = f"{size_mb:g} MB"
        parts.append(_text(words, right, middle + 4, layout.font - 1, "tick", "end"))
        right -= len(words) * layout.font * 0.56 + 6 + sizes.radius(size_mb)
        parts.append(tag("circle", cx=right, cy=middle, r=sizes.radius(size_mb), class_="key"))
        right -= sizes.radius(size_mb) + 12
    return join(parts) if parts else None


def _role(point: Point) -> str:
    return "selected" if point.row.selected else "teacher" if point.row.teacher else ""


def _text(text: str, x: float, y: float, size: float, class_: str, anchor: str) -> Markup:
    return tag("text", text, x=x, y=y, font_size=size, class_=class_, text_anchor=anchor)


def _sentence(point: Point) -> str:
    return (
        f"{point.number} {point.row.name}: accuracy {units.percent(point.accuracy)},"
        f" p50 {units.number(point.latency_ms)} ms,"
        f" {units.megabytes(point.row.size_mb)} MB"
    )


def _description(seen: Sequence[Point]) -> str:
    return "; ".join(_sentence(point) for point in seen)

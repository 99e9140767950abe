"""A history as text: a line for each entry, and a line for each change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compress.history.trend import Found, History, Point, Trend, percent
from profiles.plural import plural

LINES = 30
_WIDTH = 36
_SHORT = 10


def lines_of(history: History, last: int = LINES) -> Iterator[str]:
    """Write a history: of each metric the last entries, and all changes."""
    yield f"{history.profile} on {history.branch}: {plural(history.entries, 'entry')}"
    for trend in history.trends:
        yield ""
        yield from _trend(trend, last)


def _trend(trend: Trend, last: int) -> Iterator[str]:
    unit = "" if trend.kind.unit in ("ratio", "fraction", "") else f", {trend.kind.unit}"
    yield f"{trend.metric}{unit}"
    shown = trend.points[-last:]
    starts = {id(found.first): found for found in trend.changes}
    if len(shown) < len(trend.points):
        yield f"  … {len(trend.points) - len(shown)} earlier"
    for point in shown:
        yield f"  {_line(point, shown, starts.get(id(point)))}"
    for found in trend.changes:
        yield f" → {_said(found)}"
    if not trend.changes:
        yield " → no change found"
    yield from (f"   note: {note}" for note in trend.notes)


def _line(point: Point, shown: Sequence[Point], found: Found | None) -> str:
    entry = point.entry
    figure = f"{point.value:.4g}"
    if point.lower is not None and point.upper is not None and point.lower != point.upper:
        figure += f" [{point.lower:.4g}, {point.upper:.4g}]"
    mark = ("◀ worse" if found.worse else "◀ better") if found else ""
    head = f"{entry.commit[:_SHORT]:<{_SHORT}}  {entry.created[:10]}  {figure:<28}"
    return f"{head} {_bar(point, shown)} {mark}".rstrip()


def _bar(point: Point, shown: Sequence[Point]) -> str:
    """Draw a value between the lowest and the highest bound shown, with its bounds."""
    low = min(_lower(one) for one in shown)
    high = max(_upper(one) for one in shown)
    span = (high - low) or 1.0

    def at(value: float) -> int:
        return round((value - low) / span * (_WIDTH - 1))

    cells = [" "] * _WIDTH
    for place in range(at(_lower(point)), at(_upper(point)) + 1):
        cells[place] = "─"
    cells[at(point.value)] = "●"
    return "│" + "".join(cells) + "│"


def _lower(point: Point) -> float:
    return point.value if point.lower is None else min(point.lower, point.value)


def _upper(point: Point) -> float:
    return point.value if point.upper is None else max(point.upper, point.value)


def _said(found: Found) -> str:
    change, commit = found.change, found.first.entry.commit[:_SHORT]
    size = percent(change.ratio)
    if change.lower != change.upper:
        size += f" [{percent(change.lower)}, {percent(change.upper)}], p {change.p:.2g}"
    said = f"{'worse' if found.worse else 'better'}: {size} since {commit}"
    if change.earliest == change.latest:
        return said
    first, last = (one.entry.commit[:_SHORT] for one in (found.earliest, found.latest))
    return f"{said}; it began between {first} and {last}"

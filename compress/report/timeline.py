"""Draw a device's temperature and clock over the time in which it was measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from compress.report.layout import Layout
from compress.report.scale import Scale, linear
from compress.report.schema import Report, Trace

NOT_SHOWN = "not shown by this machine"

Series = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels(Layout):
    """Hold the sizes of a drawing whose panels stand one below the other."""

    panel: float
    ticks: int
    left: float = 58.0
    above: float = 34.0
    below: float = 44.0


WIDE = Panels(name="wide", width=880, panel=130, font=13, ticks=10)
NARROW = Panels(name="narrow", width=360, panel=110, font=11.5, ticks=5)


class Extreme(NamedTuple):
    """Place the dot at a panel's peak or low, and its text beside it."""

    x: float
    y: float
    dx: float
    dy: float
    anchor: str
    text: str


class Panel(NamedTuple):
    """Hold one line over time: its axis, its frame, and an SVG path with a gap where none shows."""

    title: str
    y: Scale
    top: float
    floor: float
    line: str
    extreme: Extreme


class _Kind(NamedTuple):
    """Say how a panel is drawn: `of` picks the value to name, its text stands at `dy`."""

    title: str
    unit: str
    of: Callable[[Sequence[float]], float]
    least: float
    dy: float


_KINDS = (
    _Kind("temperature, °C", "°C", max, least=4.0, dy=-8.0),
    _Kind("clock, MHz", "MHz", min, least=100.0, dy=18.0),
)


class Drawing:
    """Lay out a trace that shows a temperature or a clock; `ident` keeps its ids apart."""

    def __init__(self, trace: Trace, layout: Panels, ident: str) -> None:
        self.layout = layout
        self.ident = ident
        self.sentence = "; ".join(f"{name}: {text}" for name, text in facts(trace))
        self.x = Scale(0.0, max(trace.at_s[-1], 1.0), layout.left, layout.end)
        self._places = [self.x.at(value) for value in trace.at_s]
        self.slow = list(self._slow(trace.slowed))
        shown = [
            (kind, series)
            for kind, series in zip(_KINDS, _series(trace), strict=True)
            if _known(series)
        ]
        self.panels = [self._panel(*one, place) for place, one in enumerate(shown)]
        self.height = self.panels[-1].floor + layout.below

    def _panel(self, kind: _Kind, series: Series, place: int) -> Panel:
        layout = self.layout
        top = place * (layout.panel + layout.above) + layout.above
        known = _known(series)
        y = linear(known, top + layout.panel, top, pad=0.22, least=kind.least)
        value = kind.of(known)
        x = self._places[list(series).index(value)]
        left = x < (layout.left + layout.end) / 2
        extreme = Extreme(
            x,
            y.at(value),
            dx=4.0 if left else -4.0,
            dy=kind.dy,
            anchor="start" if left else "end",
            text=f"{value:,g} {kind.unit}",
        )
        return Panel(kind.title, y, top, top + layout.panel, self._line(series, y), extreme)

    def _line(self, series: Series, y: Scale) -> str:
        """Return a path; a lone point is a line of no length, which round caps make a dot."""
        pairs = zip(self._places, series, strict=True)
        runs = [
            [f"{x} {y.at(value)}" for x, value in run if value is not None]
            for shown, run in itertools.groupby(pairs, lambda pair: pair[1] is not None)
            if shown
        ]
        return "".join(f"M{'L'.join(run)}" if len(run) > 1 else f"M{run[0]}h0" for run in runs)

    def _slow(self, slowed: Sequence[bool]) -> Iterator[tuple[float, float]]:
        """Yield the stretches in which the machine was slowed, at least 2 units wide.

        A moment is the end of its block, so the stretch begins at the moment before.
        """
        for slow, run in itertools.groupby(range(len(slowed)), lambda place: slowed[place]):
            if slow:
                places = list(run)
                end = self._places[places[-1]]
                start = self._places[max(places[0] - 1, 0)]
                yield min(start, round(end - 2, 2)), end


@dataclass(frozen=True, slots=True)
class Timeline:
    """Hold what a report shows of one device; `device` is empty where there is one alone."""

    device: str
    facts: tuple[tuple[str, str], ...]
    drawings: tuple[Drawing, ...]


def timelines(report: Report) -> list[Timeline]:
    """Return each measured device's timeline: the devices' own, or else the report's one."""
    traces = [(row.name, row.trace) for row in report.devices] or [("", report.trace)]
    return [
        Timeline(name, tuple(facts(trace)), tuple(_drawings(trace, place)))
        for place, (name, trace) in enumerate(traces, 1)
        if trace is not None and trace.at_s
    ]


def _drawings(trace: Trace, place: int) -> Iterator[Drawing]:
    """Yield the drawing for wide and for narrow screens; none where the device shows nothing."""
    if any(_known(series) for series in _series(trace)):
        for layout in (WIDE, NARROW):
            yield Drawing(trace, layout, f"trace-{place}-{layout.name}")


def facts(trace: Trace) -> Iterator[tuple[str, str]]:
    """Yield what the trace shows, as name and text."""
    heat, clock = map(_known, _series(trace))
    peak = f"peak {max(heat):.1f} °C, {heat[0]:.1f} °C at the start" if heat else NOT_SHOWN
    low = f"lowest {min(clock):,.0f} MHz, highest {max(clock):,.0f} MHz" if clock else NOT_SHOWN
    yield "temperature", peak
    yield "clock", low
    count = sum(trace.slowed)
    named = f": {', '.join(trace.slowed_by)}" if trace.slowed_by else ""
    yield "slowed", f"at {count} of {len(trace.slowed)} moments{named}" if count else "never seen"


def _series(trace: Trace) -> tuple[Series, Series]:
    return trace.temperature_c, trace.clock_mhz


def _known(series: Series) -> list[float]:
    return [value for value in series if value is not None]

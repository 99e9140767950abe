"""The trend of each figure of a series, and the commits where it changed."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import geometric_mean, median
from typing import Any

from compress.history.series import Entry, Figure
from profiles.budget import METRICS, Metric, metric_named
from profiles.changes import Change, Setting, change_points
from runtimes.errors import InputError, UnknownNameError

SCHEMA = 1
RISK = 0.05
_FEW = 6
"""With fewer entries chance alone makes any step."""
_EXACTLY = 0.001
"""A figure without noise changed where it differs by more than this share."""

_BESIDE = ("latency_p50_ratio", "latency_p90_ratio", "cold_start_p50_ratio", "rss_peak_ratio")
_ALONE = ("latency_p50_ms", "latency_p90_ms", "cold_start_p50_ms", "rss_peak_mb")


@dataclass(frozen=True, slots=True)
class Point:
    """Hold a figure of one entry, as the trend shows it."""

    entry: Entry
    value: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """Hold one change: its first point, the points it may have begun at, and how large it is."""

    first: Point
    earliest: Point
    latest: Point
    change: Change
    worse: bool

    def to_json(self) -> dict[str, Any]:
        """Return the change as JSON values; `percent` is the new level over the old one, less 1."""
        change = self.change
        return {
            "commit": self.first.entry.commit,
            "created": self.first.entry.created,
            "earliest": self.earliest.entry.commit,
            "latest": self.latest.entry.commit,
            "ratio": change.ratio,
            "lower": change.lower,
            "upper": change.upper,
            "p": change.p,
            "worse": self.worse,
        }


@dataclass(frozen=True, slots=True)
class Trend:
    """Hold the points of one metric, oldest first, and its changes.

    `scaled` says that times are those of the machine's usual pace.
    """

    metric: str
    kind: Metric
    points: tuple[Point, ...]
    changes: tuple[Found, ...]
    scaled: bool
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the trend as JSON values."""
        return {
            "metric": self.metric,
            "unit": self.kind.unit,
            "scaled": self.scaled,
            "points": [
                {
                    "commit": point.entry.commit,
                    "created": point.entry.created,
                    "machine": point.entry.machine,
                    "value": point.value,
                    "lower": point.lower,
                    "upper": point.upper,
                }
                for point in self.points
            ],
            "changes": [change.to_json() for change in self.changes],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class History:
    """Hold the trends of one profile and branch."""

    profile: str
    branch: str
    entries: int
    trends: tuple[Trend, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the trends as JSON values."""
        return {
            "profile": self.profile,
            "branch": self.branch,
            "entries": self.entries,
            "metrics": [trend.to_json() for trend in self.trends],
        }


def history_of(
    profile: str, branch: str, entries: Sequence[Entry], metrics: Sequence[str] = ()
) -> History:
    """Return the trends of the metrics; without any, of those that a release is judged by.

    All metrics together show a change that is none in 5 % of histories at most. Raises
    UnknownNameError for a metric that does not exist, InputError for one that no entry has.
    """
    chosen = list(dict.fromkeys(metrics)) or _usual(entries)
    kinds = {name: _kind(name, entries) for name in chosen}
    points = {name: _points(name, kind, entries) for name, kind in kinds.items()}
    changes = _changes(kinds, points)
    trends = (
        Trend(
            metric=name,
            kind=kind,
            points=tuple(points[name]),
            changes=tuple(_found(kind, points[name], change) for change in changes[name]),
            scaled=_is_scaled(kind, points[name]),
            notes=tuple(_notes(kind, points[name])),
        )
        for name, kind in kinds.items()
    )
    return History(profile, branch, len(entries), tuple(trends))


def _usual(entries: Sequence[Entry]) -> list[str]:
    """Name the metrics that are shown unasked: ratios where there is a reference."""
    beside = any(entry.reference for entry in entries)
    quality = ("accuracy_retention", "f1_retention") if beside else ("accuracy", "f1")
    names = (*(_BESIDE if beside else _ALONE), "artifact_mb", *quality)
    return [name for name in names if any(name in entry.figures for entry in entries)]


def _kind(name: str, entries: Sequence[Entry]) -> Metric:
    kind = metric_named(name)
    there = sorted({metric for entry in entries for metric in entry.figures})
    if kind is None:
        raise UnknownNameError("metric", name, METRICS)
    if name not in there:
        raise InputError(
            f"no entry has {name}",
            available=", ".join(there),
            action="give one of these as --metric",
        )
    return kind


def _points(name: str, kind: Metric, entries: Sequence[Entry]) -> list[Point]:
    """Return the metric's points; a commit that was measured again has one, the mean of them.

    Two measurements of one commit are more alike than two commits: as two entries they would make
    a change appear surer than it is.
    """
    having = [entry for entry in entries if _positive(entry.figures.get(name))]
    usual = _usual_probes(kind, having) if _timed(kind) else {}
    again: dict[Hashable, list[Point]] = {}
    for entry in having:
        stratum = _stratum(kind, entry)
        point = _point(entry, entry.figures[name], kind, usual.get(stratum))
        again.setdefault((entry.commit, stratum), []).append(point)
    return [_merged(points) for points in again.values()]


def _point(entry: Entry, figure: Figure, kind: Metric, pace: float | None) -> Point:
    scale = 1.0
    if pace and entry.probe_ms:
        scale = pace / entry.probe_ms if kind.unit == "ms" else entry.probe_ms / pace
    lower, upper = (
        None if bound is None else bound * scale for bound in (figure.lower, figure.upper)
    )
    return Point(entry, figure.value * scale, lower, upper)


def _merged(points: Sequence[Point]) -> Point:
    """Return the geometric mean of a commit's points, with the bounds of all of them."""
    if len(points) == 1:
        return points[0]
    lower = [point.lower for point in points if point.lower is not None]
    upper = [point.upper for point in points if point.upper is not None]
    value = geometric_mean(point.value for point in points)
    return Point(points[0].entry, value, min(lower, default=None), max(upper, default=None))


def _positive(figure: Figure | None) -> bool:
    return figure is not None and figure.value > 0


def _timed(kind: Metric) -> bool:
    """Tell whether the machine's pace moves a figure: a time or a throughput, not a ratio."""
    return kind.machine_bound and not kind.against and kind.unit in ("ms", "rows/s")


def _usual_probes(kind: Metric, entries: Iterable[Entry]) -> dict[Hashable, float]:
    """Return the median probe of each stratum whose entries all have one."""
    probes: dict[Hashable, list[float | None]] = {}
    for entry in entries:
        probes.setdefault(_stratum(kind, entry), []).append(entry.probe_ms)
    whole = {key: [ms for ms in row if ms is not None] for key, row in probes.items()}
    return {key: median(row) for key, row in whole.items() if len(row) == len(probes[key])}


def _is_scaled(kind: Metric, points: Sequence[Point]) -> bool:
    return _timed(kind) and all(point.entry.probe_ms for point in points)


def _stratum(kind: Metric, entry: Entry) -> Hashable:
    """Return what must be equal for two figures to be comparable."""
    beside = entry.reference.digest if entry.reference and kind.against == "reference" else ""
    machine = (entry.machine, entry.model.threads) if kind.machine_bound else ()
    rows = "" if _exact(kind) else entry.rows_digest
    return (machine, rows, beside)


def _exact(kind: Metric) -> bool:
    """Tell whether a figure has no noise: sizes, and ratios of sizes."""
    return not kind.machine_bound and not kind.needs_labels


def _changes(
    kinds: dict[str, Metric], points: dict[str, list[Point]]
) -> dict[str, tuple[Change, ...]]:
    """Return each metric's changes; metrics of the same entries and strata are tested together."""
    found: dict[str, tuple[Change, ...]] = dict.fromkeys(kinds, ())
    together: dict[Hashable, list[str]] = {}
    for name, kind in kinds.items():
        if _exact(kind):
            found[name] = tuple(_steps(kind, points[name]))
        elif len(points[name]) >= _FEW:
            key = tuple((id(p.entry), _stratum(kind, p.entry)) for p in points[name])
            together.setdefault(key, []).append(name)
    tested = sum(map(len, together.values()))
    for names in together.values():
        some = points[names[0]]
        setting = Setting(
            strata=[_stratum(kinds[names[0]], point.entry) for point in some],
            units=[point.entry.commit for point in some],
        )
        series = {name: [point.value for point in points[name]] for name in names}
        found |= change_points(series, setting, risk=RISK * len(names) / tested)
    return found


def _steps(kind: Metric, points: Sequence[Point]) -> Iterable[Change]:
    """Yield every change of a figure without noise."""
    for place, (before, after) in enumerate(pairwise(points), 1):
        ratio = after.value / before.value
        same = _stratum(kind, before.entry) == _stratum(kind, after.entry)
        if same and abs(ratio - 1) > _EXACTLY:
            yield Change(place, place, place, ratio, ratio, ratio, 0.0)


def _found(kind: Metric, points: Sequence[Point], change: Change) -> Found:
    return Found(
        first=points[change.place],
        earliest=points[change.earliest],
        latest=points[change.latest],
        change=change,
        worse=(change.ratio > 1) is (kind.side == "max"),
    )


def _notes(kind: Metric, points: Sequence[Point]) -> Iterable[str]:
    """Say what weakens the trend, and what would mend it."""
    strata = [_stratum(kind, point.entry) for point in points]
    alone = sum(strata.count(stratum) == 1 for stratum in strata)
    if _exact(kind):
        return
    if len(points) < _FEW:
        yield f"{len(points)} entries: changes are sought from {_FEW} on"
    elif alone > len(points) / 2:
        changed = "reference" if kind.against == "reference" else "machine or rows"
        yield (
            f"{alone} of {len(points)} entries have a {changed} of their own, so they cannot be"
            " compared: measure beside one fixed reference, on one machine, on the same rows"
        )
    elif len(set(strata)) > 1:
        yield f"{len(set(strata))} machines, references or sets of rows: each compared in itself"
    if _timed(kind):
        pace = [point.entry.probe_ms for point in points]
        if all(pace):
            yield "times are scaled to each machine's usual pace; a ratio to a reference is surer"
        else:
            yield "times of other sessions, and nothing tells the machine's pace: use ratios"


def percent(ratio: float) -> str:
    """Write a ratio as a change: +10.2 %."""
    return f"{100 * (ratio - 1):+.1f} %" if math.isfinite(ratio) else "?"

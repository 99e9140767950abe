"""Where a series of figures changed: change points with p-values, sizes and dates.

A series is tested by permutation, so no distribution of its noise is assumed. Figures of different
strata, such as machines, are never compared: each is centered in its stratum, and is permuted
within it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiles.quantiles import t_quantile
from profiles.statistics import Floats

PERMUTATIONS = 1_999
_STEPS_RISK = 0.8
"""The share of the risk that single steps may spend; a rise that was taken back has the rest."""
_DATED = 7.35
"""-2 ln(1 - √0.95): the likelihood ratio within which the date of a step lies at 95 %."""
_LEAST = 2
"""Entries on each side of a change: a single odd one is no change."""
_MOST_ENDS = 48
"""A rise that was taken back is sought between so many places; its ends are refined later."""
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Change:
    """Hold one change of a series.

    `place` is the first entry with the new level; the change began at one of the entries `earliest`
    to `latest`, at 95 %. `ratio` is the new level over the old one; each of its bounds holds at 95
    % by itself. `p` is the probability that a series without a change shows one as clear.
    """

    place: int
    earliest: int
    latest: int
    ratio: float
    lower: float
    upper: float
    p: float


@dataclass(frozen=True, slots=True)
class Setting:
    """Say what the entries of all series share.

    `strata` names what each entry's figures may be compared within, `units` what cannot be divided:
    no change begins between two entries of one unit, such as a commit. A unit has one entry a
    stratum: several would be more alike than those of two units.
    """

    strata: Sequence[Hashable]
    units: Sequence[Hashable]

    def part(self, start: int, end: int) -> Setting:
        """Return what a part of the entries shares."""
        return Setting(self.strata[start:end], self.units[start:end])


def change_points(
    series: Mapping[str, ArrayLike], setting: Setting, *, risk: float = 0.05, seed: int = 7
) -> dict[str, tuple[Change, ...]]:
    """Return the changes of each series of positive figures, all of the same entries.

    Of series that never change, all together show a change with probability `risk` at most: the
    first change is judged by the largest statistic of any series, all permuted alike (Westfall &
    Young 1993, "Resampling-Based Multiple Testing", §2.5). The statistic is the correlation with a
    step, the largest over its place; failing that, with a level that was left and returned to
    (Olshen et al. 2004, Biostatistics 5). A series that changed is searched on both sides of the
    change, each with half the risk (binary segmentation: Vostrikova 1981).

    Entries must be exchangeable where nothing changed: a machine that drifts for days has changes.
    """
    logs = {name: np.log(np.asarray(values, dtype=np.float64)) for name, values in series.items()}
    generator = np.random.default_rng(seed)
    found = _first_cuts(logs, setting, risk, generator)
    return {name: _of_one(logs[name], setting, cuts, generator) for name, cuts in found.items()}


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Hold the places where a part of a series is cut, with their p-value and its risk."""

    places: tuple[int, ...]
    p: float
    risk: float


def _first_cuts(
    logs: Mapping[str, Floats], setting: Setting, risk: float, generator: np.random.Generator
) -> dict[str, _Cuts]:
    """Return the cuts of each series, tested jointly; () where there are none."""
    none = _Cuts((), 1.0, risk)
    found = dict.fromkeys(logs, none)
    centered = {name: _centered(values, setting.strata) for name, values in logs.items()}
    moving = {name: row for name, row in centered.items() if np.linalg.norm(row) > _NOTHING}
    for shapes, share in ((_steps, _STEPS_RISK), (_humps, 1 - _STEPS_RISK)):
        places, patterns = shapes(setting)
        if not moving or not places:
            continue
        rows = np.array([row / np.linalg.norm(row) for row in moving.values()])
        fits = np.abs(rows @ patterns.T)
        chance = _by_chance(rows, patterns, setting.strata, generator)
        for name, fit in zip(moving, fits, strict=True):
            p = _p(fit.max(), chance)
            if not found[name].places and p <= share * risk:
                found[name] = _Cuts(places[int(fit.argmax())], p, risk)
    return found


def _by_chance(
    rows: Floats, patterns: Floats, strata: Sequence[Hashable], generator: np.random.Generator
) -> Floats:
    """Return the largest statistic of any row in each permutation."""
    orders = _permuted(strata, generator)
    best = np.zeros(len(orders))
    for row in rows:
        np.maximum(best, np.abs(row[orders] @ patterns.T).max(axis=1), out=best)
    return best


def _p(observed: float, chance: Floats) -> float:
    """Return the share of permutations that are as clear, the observed order among them."""
    return float((np.count_nonzero(chance >= observed - 1e-9) + 1) / (len(chance) + 1))


def _permuted(strata: Sequence[Hashable], generator: np.random.Generator) -> NDArray[np.int64]:
    """Return orders of the entries, each stratum shuffled in itself; (PERMUTATIONS, entries)."""
    orders = np.tile(np.arange(len(strata)), (PERMUTATIONS, 1))
    for own in _members(strata):
        keys = generator.random((PERMUTATIONS, len(own)))
        orders[:, own] = own[keys.argsort(axis=1)]
    return orders


def _members(strata: Sequence[Hashable]) -> list[NDArray[np.int64]]:
    """Return the places of each stratum's entries."""
    places: dict[Hashable, list[int]] = {}
    for place, stratum in enumerate(strata):
        places.setdefault(stratum, []).append(place)
    return [np.array(own) for own in places.values()]


def _centered(values: Floats, strata: Sequence[Hashable]) -> Floats:
    """Subtract each stratum's mean."""
    centered = np.array(values, dtype=np.float64)
    for own in _members(strata):
        centered[own] -= centered[own].mean()
    return centered


def _ends(setting: Setting) -> list[int]:
    """Return the places where a change may begin."""
    units = setting.units
    inner = range(_LEAST, len(units) - _LEAST + 1)
    return [place for place in inner if units[place] != units[place - 1]]


def _steps(setting: Setting) -> tuple[list[tuple[int, ...]], Floats]:
    """Return the places of a step, and the pattern of each: (places, entries), of length 1."""
    return _usable([(place,) for place in _ends(setting)], setting)


def _humps(setting: Setting) -> tuple[list[tuple[int, ...]], Floats]:
    """Return the ends of levels that were left again, and their patterns."""
    ends = _ends(setting)
    some = ends[:: max(1, math.ceil(len(ends) / _MOST_ENDS))]
    pairs = [(a, b) for a in some for b in some if b - a >= _LEAST]
    return _usable(list(pairs), setting)


def _usable(cuts: list[tuple[int, ...]], setting: Setting) -> tuple[list[tuple[int, ...]], Floats]:
    """Return the cuts that some stratum has entries on both sides of, and their patterns."""
    entries = np.arange(len(setting.units))
    rows = [
        _centered((np.searchsorted(cut, entries, side="right") % 2).astype(float), setting.strata)
        for cut in cuts
    ]
    lengths = [float(np.linalg.norm(row)) for row in rows]
    kept = [place for place, length in enumerate(lengths) if length > _NOTHING]
    patterns = np.array([rows[place] / lengths[place] for place in kept])
    return [cuts[place] for place in kept], patterns.reshape(len(kept), len(entries))


def _of_one(
    logs: Floats, setting: Setting, first: _Cuts, generator: np.random.Generator
) -> tuple[Change, ...]:
    """Return the changes of one series, given its first cuts."""
    found = dict(_all_cuts(logs, setting, first, 0, generator))
    places = _refined(logs, setting, sorted(found))
    bounds = [0, *places, len(logs)]
    p_values = [found[place] for place in sorted(found)]
    return tuple(
        _change(logs, setting, before, place, after, p)
        for before, place, after, p in zip(bounds, places, bounds[2:], p_values, strict=False)
    )


def _all_cuts(
    logs: Floats, setting: Setting, cuts: _Cuts, start: int, generator: np.random.Generator
) -> Iterator[tuple[int, float]]:
    """Yield each cut's place and p-value: the given ones, then those of the parts between."""
    if not cuts.places:
        return
    yield from ((start + place, cuts.p) for place in cuts.places)
    for begin, end in zip((0, *cuts.places), (*cuts.places, len(logs)), strict=True):
        part, inner = logs[begin:end], setting.part(begin, end)
        more = _first_cuts({"": part}, inner, cuts.risk / 2, generator)[""]
        yield from _all_cuts(part, inner, more, start + begin, generator)


def _refined(logs: Floats, setting: Setting, places: list[int]) -> list[int]:
    """Move each place to where a single step fits best between its neighbors (Bai 1997)."""
    for _ in range(2):
        for index, place in enumerate(places):
            start = places[index - 1] if index else 0
            end = places[index + 1] if index + 1 < len(places) else len(logs)
            fits = _fits(logs, setting, start, end)
            places[index] = max(fits, key=lambda at: fits[at], default=place)
    return places


def _fits(logs: Floats, setting: Setting, start: int, end: int) -> dict[int, float]:
    """Return how much of the squares a step at each place explains, between two places."""
    part = setting.part(start, end)
    places, patterns = _steps(part)
    row = _centered(logs[start:end], part.strata)
    explained = np.square(patterns @ row)
    return {start + cut[0]: float(gain) for cut, gain in zip(places, explained, strict=True)}


def _change(
    logs: Floats, setting: Setting, before: int, place: int, after: int, p: float
) -> Change:
    """Return the change at a place, by the entries since the last change and up to the next."""
    part = setting.part(before, after)
    row = _centered(logs[before:after], part.strata)
    step = _centered((np.arange(before, after) >= place).astype(float), part.strata)
    size = float(step @ row / (step @ step))
    freedom = max(len(row) - len(set(part.strata)) - 1, 1)
    error = float(np.square(row - size * step).sum()) / freedom
    reach = t_quantile(0.95, freedom) * math.sqrt(error / float(step @ step))
    fits = _fits(logs, setting, before, after)
    best = fits.get(place, max(fits.values(), default=0.0))
    likely = [at for at, gain in fits.items() if best - gain <= _DATED * error + _NOTHING]
    return Change(
        place=place,
        earliest=min([*likely, place]),
        latest=max([*likely, place]),
        ratio=math.exp(size),
        lower=math.exp(size - reach),
        upper=math.exp(size + reach),
        p=p,
    )

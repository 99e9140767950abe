"""Which shapes meet the goal, which one wins, and which can still win: pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from compress.search.evidence import LUCK, critical, kept
from compress.search.trial import Control, Trial
from profiles.scores import RowScores

_RECOVERED = 0.9
"""The share of the loss that longer training may recover, before the search has measured any."""
_STILL_RECOVERED = 0.25
"""The same where only shapes of other depths were measured: what is too small gains nothing."""

WORTH_FEWER_BITS = 1.02
"""The speed-up over wider weights from which narrower ones are shipped."""

SEEDS = 3
"""The trainings that an answer is judged by: the first, and more with fresh seeds."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Hold the goal of the answer; `retention` is met by its lower bound."""

    retention: float = 0.99
    latency_p90_ms: float | None = None
    artifact_mb: float | None = None

    def fits(self, trial: Trial) -> bool:
        """Tell whether a shape is fast and small enough, whatever its accuracy."""
        slow = self.latency_p90_ms is not None and trial.latency.p90_ms > self.latency_p90_ms
        large = self.artifact_mb is not None and trial.size_mb > self.artifact_mb
        return not (slow or large)

    def text(self) -> str:
        """Return the goal in words."""
        parts = [f"retention ≥ {self.retention:.2%}"]
        parts += [f"p90 ≤ {self.latency_p90_ms:g} ms"] if self.latency_p90_ms else []
        parts += [f"size ≤ {self.artifact_mb:g} MB"] if self.artifact_mb else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Standing:
    """Hold a shape compared with the control: `retention` of its accuracy, and the lower bound.

    `retention` is the mean of `seeds` trainings, `luck` the standard deviation of one of them. The
    bound allows for the rows, the seeds and the number of shapes that were judged.
    """

    trial: Trial
    retention: float
    lower: float
    seeds: int = 1
    luck: float = LUCK

    def beats(self, other: Standing) -> bool:
        """Tell whether it is at least as good in all three objectives and better in one."""
        mine = (self.retention, self.trial.latency.speedup, -self.trial.size_mb)
        its = (other.retention, other.trial.latency.speedup, -other.trial.size_mb)
        return mine != its and all(a >= b for a, b in zip(mine, its, strict=True))


def standings(trials: Sequence[Trial], control: Control, planned: int = 0) -> list[Standing]:
    """Compare every shape's longest training with the control, the fastest first.

    All shapes count in the bounds, and at least as many as are `planned`.
    """
    longest: dict[str, Trial] = {}
    for trial in trials:
        known = longest.get(trial.shape.name)
        if trial.seed is None and (known is None or _further(trial) > _further(known)):
            longest[trial.shape.name] = trial
    judged = [
        kept((one.scores, *_repeats(one, trials)), control.scores) for one in longest.values()
    ]
    errors = critical(judged, planned)
    rows = [
        Standing(trial, one.value, one.lower(errors), one.seeds, one.luck)
        for trial, one in zip(longest.values(), judged, strict=True)
    ]
    return sorted(rows, key=lambda row: -row.trial.latency.speedup)


def _further(trial: Trial) -> tuple[int, bool]:
    return trial.epochs, trial.deployed


def _repeats(first: Trial, trials: Iterable[Trial]) -> list[RowScores]:
    """Return the scores of the deployed models of the same training with other seeds."""
    return [
        one.scores
        for one in trials
        if one.seed is not None
        and (one.shape, one.epochs) == (first.shape, first.epochs)
        and one.deployed
        and first.deployed
    ]


def meets(row: Standing, goal: Goal) -> bool:
    """Tell whether a deployed model meets the goal, retention by its lower bound."""
    return row.trial.deployed and row.lower >= goal.retention and goal.fits(row.trial)


def near(row: Standing, goal: Goal) -> bool:
    """Tell whether a deployed model meets the goal, or would with better seeds."""
    hoped = row.lower + 2 * row.luck
    return row.trial.deployed and hoped >= goal.retention and goal.fits(row.trial)


def nearest(rows: Sequence[Standing]) -> Standing | None:
    """Return the shape with the highest lower bound, a deployed one where there is one."""
    return max(rows, key=lambda row: (row.trial.deployed, row.lower), default=None)


def fastest(rows: Sequence[Standing], goal: Goal) -> Standing | None:
    """Return the fastest trial that meets the goal; of equally fast ones the smallest.

    Fewer bits must earn their place: see `in_more_bits`.
    """
    best = fastest_in_any_bits(rows, goal)
    return best and (in_more_bits(best, rows, goal) or best)


def fastest_in_any_bits(rows: Sequence[Standing], goal: Goal) -> Standing | None:
    """Return the fastest trial that meets the goal, whatever its precision gains."""
    met = [row for row in rows if meets(row, goal)]
    return max(met, key=lambda r: (r.trial.latency.speedup, -r.trial.size_mb), default=None)


def in_more_bits(best: Standing, rows: Sequence[Standing], goal: Goal) -> Standing | None:
    """Return the same shape with wider weights that is to be shipped instead; None to keep `best`.

    Narrow weights are kept only where they measure at least WORTH_FEWER_BITS times as fast on the
    target, a rule taken from NVIDIA's ModelOpt. A lookup's width is no matter of speed: it is left
    as it is.
    """
    shape, speedup = best.trial.shape, best.trial.latency.speedup
    wider = [
        row
        for row in rows
        if meets(row, goal)
        and replace(row.trial.shape, weights=shape.weights) == shape
        and _bits(row.trial.shape.weights) > _bits(shape.weights)
        and speedup < WORTH_FEWER_BITS * row.trial.latency.speedup
    ]
    return max(wider, key=lambda row: row.trial.latency.speedup, default=None)


def _bits(precision: str) -> int:
    return int(precision.lstrip("intfp"))


def smallest(rows: Sequence[Standing], goal: Goal) -> Standing | None:
    """Return the smallest trial that meets the goal; of equally small ones the fastest."""
    met = [row for row in rows if meets(row, goal)]
    return min(met, key=lambda r: (r.trial.size_mb, -r.trial.latency.speedup), default=None)


def pareto(rows: Sequence[Standing]) -> list[Standing]:
    """Return the deployed models that no other one beats in retention, speed-up and size."""
    made = [row for row in rows if row.trial.deployed]
    return [row for row in made if not any(other.beats(row) for other in made)]


def gain(trials: Sequence[Trial], epochs: int, most: int, control: Control) -> float | None:
    """Return the largest gain in retention so far from `epochs` to `most` epochs.

    None where no shape was trained for both. Both are measured on the same rows.
    """
    base = control.scores.metric
    first = [t for t in trials if t.seed is None]
    early = {t.shape: t.student.metric for t in first if t.epochs == epochs}
    late = {t.shape: t.student.metric for t in first if t.epochs == most}
    both = early.keys() & late.keys()
    won = [(late[shape] - early[shape]) / base for shape in both if base > 0]
    return max(won, default=None)


def optimistic(row: Standing, trials: Sequence[Trial], most: int, control: Control) -> float:
    """Return the retention that a shape may reach with `most` epochs.

    The gain of shapes of the same depth counts where it was measured.
    """
    if row.trial.epochs >= most or row.trial.shape.linear:
        return row.retention
    early = row.trial.epochs
    alike = [trial for trial in trials if trial.shape.depth == row.trial.shape.depth]
    seen = gain(alike, early, most, control)
    if seen is None:
        lost, other = max(0.0, 1 - row.retention), gain(trials, early, most, control)
        seen = _RECOVERED * lost if other is None else max(other, _STILL_RECOVERED * lost)
    return row.retention + max(seen, 0.0)


def can_win(row: Standing, reach: float, others: Iterable[Standing]) -> bool:
    """Tell whether a shape that may reach `reach` can still be on the front."""
    hoped = Standing(row.trial, max(reach, row.retention), row.lower)
    return not any(other.beats(hoped) for other in others if other is not row)

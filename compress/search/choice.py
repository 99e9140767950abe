"""Which shapes meet the goal, which one wins, and which can still win: pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compress.search.trial import Control, Trial

_RECOVERED = 0.9
"""The share of the loss that longer training may recover, before the search has measured any."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Hold the goal of the answer: `retention` by value, `retention_lower` by its bound."""

    retention: float = 0.99
    retention_lower: float = 0.98
    latency_p90_ms: float | None = None
    artifact_mb: float | None = None

    def fits(self, trial: Trial) -> bool:
        """Tell whether a shape is fast and small enough, whatever its accuracy."""
        slow = self.latency_p90_ms is not None and trial.latency.p90_ms > self.latency_p90_ms
        large = self.artifact_mb is not None and trial.size_mb > self.artifact_mb
        return not (slow or large)

    def text(self) -> str:
        """Return the goal in words."""
        parts = [f"retention ≥ {self.retention:.2%} (lower bound ≥ {self.retention_lower:.2%})"]
        parts += [f"p90 ≤ {self.latency_p90_ms:g} ms"] if self.latency_p90_ms else []
        parts += [f"size ≤ {self.artifact_mb:g} MB"] if self.artifact_mb else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Standing:
    """Hold a trial compared with the control: `retention` of its accuracy, and the lower bound."""

    trial: Trial
    retention: float
    lower: float

    def beats(self, other: Standing) -> bool:
        """Tell whether it is at least as good in all three objectives and better in one."""
        mine = (self.retention, self.trial.latency.speedup, -self.trial.size_mb)
        its = (other.retention, other.trial.latency.speedup, -other.trial.size_mb)
        return mine != its and all(a >= b for a, b in zip(mine, its, strict=True))


def standings(trials: Iterable[Trial], control: Control, seed: int) -> list[Standing]:
    """Compare every shape's longest training with the control, the fastest first."""
    longest: dict[str, Trial] = {}
    for trial in trials:
        known = longest.get(trial.shape.name)
        if known is None or (trial.epochs, trial.deployed) > (known.epochs, known.deployed):
            longest[trial.shape.name] = trial
    rows = []
    for trial in longest.values():
        kept = control.retention(trial, seed)
        assert kept.value is not None  # a bootstrap over rows always gives one
        assert kept.lower is not None
        rows.append(Standing(trial, kept.value, kept.lower))
    return sorted(rows, key=lambda row: -row.trial.latency.speedup)


def meets(row: Standing, goal: Goal) -> bool:
    """Tell whether a deployed model meets the goal, its lower bound included."""
    held = row.retention >= goal.retention and row.lower >= goal.retention_lower
    return row.trial.deployed and held and goal.fits(row.trial)


def fastest(rows: Sequence[Standing], goal: Goal) -> Standing | None:
    """Return the fastest trial that meets the goal; of equally fast ones the smallest."""
    met = [row for row in rows if meets(row, goal)]
    return max(met, key=lambda r: (r.trial.latency.speedup, -r.trial.size_mb), default=None)


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
    early = {t.shape: t.student.metric for t in trials if t.epochs == epochs}
    late = {t.shape: t.student.metric for t in trials if t.epochs == most}
    both = early.keys() & late.keys()
    won = [(late[shape] - early[shape]) / base for shape in both if base > 0]
    return max(won, default=None)


def optimistic(row: Standing, trials: Sequence[Trial], most: int, control: Control) -> float:
    """Return the retention that a shape may reach with `most` epochs."""
    if row.trial.epochs >= most:
        return row.retention
    seen = gain(trials, row.trial.epochs, most, control)
    expected = _RECOVERED * max(0.0, 1 - row.retention)
    return row.retention + (expected if seen is None else max(seen, 0.0))


def can_win(row: Standing, reach: float, others: Iterable[Standing]) -> bool:
    """Tell whether a shape that may reach `reach` can still be on the front."""
    hoped = Standing(row.trial, max(reach, row.retention), row.lower)
    return not any(other.beats(hoped) for other in others if other is not row)

"""What a search trains next: rules, each of which yields the best training of its kind first."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from compress.search.choice import (
    SEEDS,
    Goal,
    Standing,
    can_win,
    fastest,
    meets,
    near,
    optimistic,
    smallest,
    standings,
)
from compress.search.control import control_of, provisional
from compress.search.shape import Shape
from compress.search.space import Space
from compress.search.trial import Control, Latency, Trial
from profiles.scores import RowScores

_LUCK = 0.005
"""Retention by which one training may differ from another by chance."""
_BAG_TIMES = 2
"""A bag student is trained for so many times the last rung's epochs, each of which is short."""


@dataclass(frozen=True, slots=True)
class Training:
    """Train a shape for so many epochs, 0 for a linear one; `deploy` makes the deployable model.

    `seed` is that of a repetition, None for the recipe's own.
    """

    shape: Shape
    epochs: int
    deploy: bool = False
    seed: int | None = None


@dataclass(slots=True)
class SearchState:
    """Hold the state of a search.

    `teacher` is the control where the teacher has not seen the validation rows; otherwise the
    student of `control_shape` is, as soon as it is trained. `closed` shapes failed, or were
    screened and are not worth training.
    """

    space: Space
    goal: Goal
    rungs: tuple[int, ...]
    seed: int
    teacher: Control | None
    control_shape: Shape
    why: str
    trials: list[Trial] = field(default_factory=list)
    closed: set[Shape] = field(default_factory=set)

    @property
    def control(self) -> Control:
        """Return the control that retention is measured against; there must be a trial."""
        known_control = self.teacher or control_of(self.trials, self.control_shape, self.why)
        return known_control or provisional(self.trials)

    @property
    def first(self) -> list[Shape]:
        """Return the fixed shapes, the fastest first; the slowest is only for want of a control."""
        slowest = None if self.teacher is None else self.control_shape
        return [shape for shape in self.space.first() if shape != slowest]

    @property
    def rows(self) -> list[Standing]:
        """Return every shape's longest training, the fastest first."""
        planned = len(self.first) + len(self.space.first_linear())
        return standings(self.trials, self.control, planned)

    @property
    def met(self) -> bool:
        """Tell whether a deployed model meets the goal."""
        return fastest(self.rows, self.goal) is not None

    def reach(self, row: Standing) -> float:
        """Return the retention that a shape may reach with the full number of epochs."""
        most = self.rungs_of(row.trial.shape)[-1]
        return optimistic(row, self.trials, most, self.control)

    def further(self, row: Standing) -> Training | None:
        """Return the next training of a shape, deployed after the last rung; None at its end."""
        shape, done = row.trial.shape, row.trial.epochs
        if shape in self.closed or shape.linear:
            return None
        longer = [epochs for epochs in self.rungs_of(shape) if epochs > done]
        if longer:
            return self.training(shape, longer[0])
        return None if row.trial.deployed else self.training(shape, done)

    def rungs_of(self, shape: Shape) -> tuple[int, ...]:
        """Return the epochs of a shape's trainings: a bag needs more, and they are short."""
        return tuple(_BAG_TIMES * epochs for epochs in self.rungs) if shape.bag else self.rungs

    def training(self, shape: Shape, epochs: int) -> Training:
        """Return a training that deploys the model after the last rung.

        A linear student and a bag, which takes little time, have that rung alone.
        """
        if shape.linear:
            return Training(shape, 0, deploy=True)
        last = self.rungs_of(shape)[-1]
        return Training(shape, last if shape.bag else epochs, deploy=shape.bag or epochs >= last)

    def untried(self, shapes: Sequence[Shape]) -> Iterator[Training]:
        """Yield the first training of the shapes that have none."""
        tried = {trial.shape for trial in self.trials} | self.closed
        whole = [trial.shape for trial in self.trials if trial.whole]
        new = (s for s in shapes if s not in tried and not any(map(s.keeps_more_than, whole)))
        yield from (self.training(shape, self.rungs[0]) for shape in new)

    def worth(self, shape: Shape, latency: Latency, size_mb: float) -> bool:
        """Tell whether a shape with perfect answers would change the answer or the front."""
        hoped = Trial(shape, 0, latency, size_mb, 0.0, RowScores.right([True]))
        if not self.goal.fits(hoped):
            return False
        rows = self.rows
        first, least = fastest(rows, self.goal), smallest(rows, self.goal)
        if first is None or least is None:
            return can_win(Standing(hoped, 1.0, 1.0), 1.0, rows)
        faster = latency.speedup > first.trial.latency.speedup
        return faster or size_mb < least.trial.size_mb


def linear(state: SearchState) -> Iterator[Training]:
    """Yield the linear students: they take little time."""
    yield from state.untried(state.space.first_linear())


def first(state: SearchState) -> Iterator[Training]:
    """Yield the fixed shapes, the fastest first."""
    yield from state.untried(state.first)


def control(state: SearchState) -> Iterator[Training]:
    """Yield the control's training, with all epochs first, then with fewer."""
    if state.teacher is not None:
        return
    done = [t.epochs for t in state.trials if t.shape == state.control_shape]
    longer = [epochs for epochs in state.rungs if epochs > max(done, default=0)]
    yield from (state.training(state.control_shape, epochs) for epochs in longer[::-1])


def faster(state: SearchState) -> Iterator[Training]:
    """Yield shapes that may meet the goal and are faster than the answer, the fastest first."""
    rows, goal = state.rows, state.goal
    best = fastest(rows, goal)
    for row in rows:
        ahead = best is None or row.trial.latency.speedup > best.trial.latency.speedup
        yield from _promising(state, row) if ahead else ()


def confirm(state: SearchState) -> Iterator[Training]:
    """Yield the trainings with fresh seeds of what would be the answer or the smallest.

    One training's luck is not the shape's: an answer is judged by the mean of SEEDS trainings.
    """
    rows, goal = state.rows, state.goal
    best, least = fastest(rows, goal), smallest(rows, goal)
    for row in rows:
        leads = meets(row, goal) and row in (best, least)
        may_lead = best is None or row.trial.latency.speedup > best.trial.latency.speedup
        may_lead = may_lead or least is None or row.trial.size_mb < least.trial.size_mb
        open_ = row.seeds < SEEDS and row.trial.shape not in state.closed
        if open_ and near(row, goal) and (leads or may_lead):
            seed = state.seed + row.seeds
            yield Training(row.trial.shape, row.trial.epochs, deploy=True, seed=seed)


def smaller(state: SearchState) -> Iterator[Training]:
    """Yield shapes that may meet the goal and are smaller than the smallest, the smallest first."""
    rows, goal = state.rows, state.goal
    best = smallest(rows, goal)
    for row in sorted(rows, key=lambda row: row.trial.size_mb):
        if best is not None and row.trial.size_mb < best.trial.size_mb:
            yield from _promising(state, row)


def nearby(state: SearchState) -> Iterator[Training]:
    """Yield shapes a step smaller than those that meet the goal.

    While none does: a step smaller than those that may keep enough but are too large or too slow,
    the fastest first, then a step larger than the others.
    """
    rows, goal, space = state.rows, state.goal, state.space
    met = [row for row in (fastest(rows, goal), smallest(rows, goal)) if row]
    heavy = [r for r in rows if not goal.fits(r.trial) and _may_keep_enough(state, r)]
    fit = [row for row in rows if goal.fits(row.trial)]
    best = sorted(fit, key=lambda row: (-row.retention, row.trial.latency.speedup))
    steps = [(row, True) for row in met or heavy] + [(row, False) for row in best if not met]
    shapes = [s for row, cut in steps for s in space.neighbors(row.trial.shape, smaller=cut)]
    yield from state.untried(list(dict.fromkeys(shapes)))


def rest(state: SearchState) -> Iterator[Training]:
    """Yield shapes that can still be on the front, the fastest first."""
    rows = state.rows
    for row in rows:
        training = state.further(row)
        if training is not None and can_win(row, state.reach(row), rows):
            yield training


def beside(state: SearchState) -> Iterator[Training]:
    """Yield shapes one step from those on the front, in random order.

    The order is drawn again after each training, from the seed, so that a resumed search draws the
    same. A fixed order would stay near the same few shapes.
    """
    rows, space = state.rows, state.space
    front = [row for row in rows if not any(other.beats(row) for other in rows)]
    steps = itertools.product(front, (True, False))
    near = [s for row, cut in steps for s in space.neighbors(row.trial.shape, smaller=cut)]
    shapes = list(dict.fromkeys(near))
    random.Random(state.seed + len(state.trials)).shuffle(shapes)  # noqa: S311 - repeatable
    yield from state.untried(shapes)


def undeployed(state: SearchState) -> Iterator[Training]:
    """Yield shapes on the front that lack epochs: those that meet the goal, then the nearest."""
    rows, goal = state.rows, state.goal
    front = [r for r in rows if not r.trial.deployed and can_win(r, r.retention, rows)]
    held = [r for r in front if r.retention >= goal.retention and goal.fits(r.trial)]
    others = sorted((r for r in front if r not in held), key=lambda r: -r.retention)
    for row in (*held, *others):
        if row.trial.shape not in state.closed:
            yield Training(row.trial.shape, row.trial.epochs, deploy=True)


def _promising(state: SearchState, row: Standing) -> Iterator[Training]:
    training = state.further(row)
    if training and state.goal.fits(row.trial) and _may_keep_enough(state, row):
        yield training


def keeps_about_enough(state: SearchState, row: Standing) -> bool:
    """Tell whether a deployed model but a linear one keeps about what the goal asks for."""
    made = row.trial.deployed and not row.trial.shape.linear
    return made and row.retention >= state.goal.retention - _LUCK


def _may_keep_enough(state: SearchState, row: Standing) -> bool:
    return state.reach(row) >= state.goal.retention - _LUCK

"""A search over a few fixed students, fastest first: the first that suffices wins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from compress.search import schedule
from compress.search.choice import Goal, Standing, meets
from compress.search.clock import SearchClock
from compress.search.control import control_shape
from compress.search.request import SearchRequest
from compress.search.schedule import SearchState, Training
from compress.search.search import SearchRun
from compress.search.shape import Shape

EPOCHS = (3, 6, 12)
"""A student is trained for the last number, or for the most of these that fits the time."""


def quickest(state: SearchState) -> Iterator[Training]:
    """Yield the fastest student's training, the longest first."""
    yield from (t for t in _untried(state) if t.shape == state.space.first()[0])


def climb(state: SearchState) -> Iterator[Training]:
    """Yield the next student's training, the longest first, while none meets the goal."""
    if not state.met:
        yield from _untried(state)


def _untried(state: SearchState) -> Iterator[Training]:
    """Yield what makes a deployed model of each student that has none yet, the fastest first.

    What keeps too little in 8 bits is not tried in 4, which are for a model that is too large.
    """
    deployed = [trial for trial in state.trials if trial.deployed]
    done = {trial.shape for trial in deployed} | state.closed
    small_enough = [trial.shape for trial in deployed if state.goal.fits(trial)]
    for shape in state.space.first():
        if shape not in done and not any(map(shape.coarser_than, small_enough)):
            yield from (Training(shape, e, deploy=True) for e in state.rungs_of(shape)[::-1])


_CONTROL_SHARE = 0.5
"""The share of the remaining time that the control's shortest training may take."""


def affordable_control(state: SearchState, clock: SearchClock) -> Shape:
    """Return the slowest student that was trained, or whose shortest training fits the time."""
    first, *others = state.space.first()
    slower = [shape for shape in others if shape.layers > first.layers]
    trained = {trial.shape for trial in state.trials} & set(slower)
    left_s = clock.left_s - clock.closing_s - _least_s(state, clock, first)
    fit = [s for s in slower if _least_s(state, clock, s) <= _CONTROL_SHARE * left_s]
    return max(trained or fit, key=state.space.work, default=control_shape(state.space))


def leaves_time(state: SearchState, clock: SearchClock, training: Training) -> bool:
    """Tell whether a training fits the time, and after it the control's shortest one."""
    needed_s = clock.training_s(state.space.work(training.shape), training.epochs)
    if training.shape != state.control_shape:
        needed_s += _least_s(state, clock, state.control_shape)
    return needed_s + clock.closing_s <= clock.left_s


def _least_s(state: SearchState, clock: SearchClock, shape: Shape) -> float:
    return clock.training_s(state.space.work(shape), state.rungs_of(shape)[0])


class Ladder(SearchRun):
    """Train one student after another, and report the retention of each.

    Where the teacher has seen the validation rows, the slowest student that fits the time is
    trained as the control that the others are measured against; without one there is no answer.
    `epoch_s` is the expected time of the fastest student's epoch, `judging_s` that of the test
    rows' answers.
    """

    rules: ClassVar[Sequence[Callable[[SearchState], Iterator[Training]]]] = (
        *(quickest, schedule.control, climb),
    )
    linear: ClassVar[bool] = False

    def __init__(self, request: SearchRequest, epoch_s: float, judging_s: float) -> None:
        super().__init__(request)
        self._clock.judging_s = judging_s
        self._said: set[str] = set()
        if not self._clock.paces:
            shape = self._space.first()[0]
            self._clock.trained(self._space.work(shape), 1, epoch_s)
        if self._state.teacher is None:
            self._state.control_shape = affordable_control(self._state, self._clock)

    def _fits(self, training: Training, after_s: float = 0.0) -> bool:
        state = self._state
        done = {trial.shape for trial in state.trials}
        longer = training.epochs > state.rungs[0] and training.shape == state.control_shape
        if state.teacher is not None or state.control_shape in done or longer:
            return super()._fits(training, after_s)
        return leaves_time(state, self._clock, training)

    def _fitted(self, training: Training) -> Training | None:
        """Return the training if it fits; the rules themselves offer fewer epochs."""
        return training if self._fits(training) else None

    def _surely_next(self, training: Training) -> bool:
        """Tell so of the control alone: a student that suffices ends the climb."""
        return training.shape == self._state.control_shape

    def _next(self) -> Training | None:
        training = super()._next()
        if training is not None:
            tried = f"{words(training.shape)}, {training.epochs} epochs"
            self._request.board.note(f"try       {tried}")
        return training

    def _show(self) -> None:
        """Report the retention of each student, once there is a control."""
        state = self._state
        if state.teacher is None and state.control.shape is None:
            return
        for row in state.rows:
            if row.trial.deployed and row.trial.name not in self._said:
                self._said.add(row.trial.name)
                self._request.board.note(f"kept      {verdict(row, state.goal)}")


def words(shape: Shape) -> str:
    """Return a student's name for people: "2 layers, 50 % of the FFN"."""
    if shape.static:
        return "a table of token vectors"
    if shape.bag:
        blocks = f", {shape.blocks} residual FFNs" if shape.blocks else ""
        narrow = f", vectors in {shape.embeddings[3:]} bits" if shape.embeddings else ""
        return f"no layer{blocks}, {shape.pairs:,} pairs of pieces{narrow}"
    layers = f"{shape.layers} layer" + ("s" if shape.layers > 1 else "")
    ffn = f", {100 * (1 - shape.ffn):g} % of the FFN" if shape.ffn else ""
    return layers + ffn + ("" if shape.positions else ", without positions")


def verdict(row: Standing, goal: Goal) -> str:
    """Report a student's share of its control's accuracy, and whether it is enough."""
    trial = row.trial
    return (
        f"{words(trial.shape)}: {row.retention:.1%} of the accuracy (at least {row.lower:.1%}),"
        f" {trial.latency.speedup:.1f}× faster, {trial.size_mb:.1f} MB:"
        f" {'enough' if meets(row, goal) else 'too little, on to the next'}"
    )

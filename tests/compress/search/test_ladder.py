"""The ladder's rules on students of invented figures: the fastest that does, and no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from compress.search import schedule
from compress.search.choice import Goal, Standing, fastest
from compress.search.clock import CLOSING_S, SearchClock
from compress.search.control import control_shape
from compress.search.ladder import (
    EPOCHS,
    Ladder,
    affordable_control,
    climb,
    leaves_time,
    quickest,
    verdict,
    words,
)
from compress.search.schedule import SearchState, Training
from compress.search.shape import Shape
from compress.search.trial import Latency, Trial
from tests.compress.searching import SPACE, control, right

GOAL = Goal(0.97)
FIRST = SPACE.first()


def known(*, seen: bool = False) -> SearchState:
    """Return what a ladder knows at its beginning; with `seen` a student is the control."""
    teacher = None if seen else control()
    return SearchState(SPACE, GOAL, EPOCHS, 7, teacher, control_shape(SPACE), "why")


def played(
    state: SearchState,
    hits: Callable[[Shape], int],
    fits: Callable[[Training], bool] = lambda training: True,
) -> list[Training]:
    """Do what the rules say and fits until nothing is left, and return it."""
    done: list[Training] = []
    while True:
        allowed = (t for rule in Ladder.rules for t in rule(state) if fits(t))
        training = next(allowed, None)
        if training is None:
            return done
        rows = right(hits(training.shape))
        speed = Latency(1.0, 2.0, 10 / SPACE.work(training.shape))
        deployed = rows if training.deploy else None
        state.trials.append(Trial(training.shape, training.epochs, speed, 1.0, 1.0, rows, deployed))
        done.append(training)
        assert len(done) < 20, "the rules never end"


def test_the_first_student_that_keeps_enough_ends_it() -> None:
    state = known()
    assert played(state, lambda shape: 895) == [Training(FIRST[0], 12, deploy=True)]
    answer = fastest(state.rows, GOAL)
    assert answer is not None
    assert answer.trial.shape == FIRST[0]


def test_the_next_student_is_tried_while_none_keeps_enough() -> None:
    state = known()
    done = played(state, lambda shape: 895 if shape.layers > 1 else 800)
    assert [training.shape for training in done] == FIRST[:3]
    assert all(training.deploy for training in done)


def test_where_none_keeps_enough_all_were_tried_once() -> None:
    done = played(known(), lambda shape: 700)
    assert [training.shape for training in done] == FIRST


@pytest.mark.parametrize(("most_mb", "tried_in_4_bits"), [(None, False), (0.5, True)])
def test_fewer_bits_are_for_a_student_that_is_too_large(
    most_mb: float | None, *, tried_in_4_bits: bool
) -> None:
    space = dataclasses.replace(SPACE, bags=(256,))
    in_8_bits, in_4_bits, *_ = space.first()
    goal = Goal(0.97, artifact_mb=most_mb)
    state = SearchState(space, goal, EPOCHS, 7, control(), control_shape(space), "why")
    shapes = [training.shape for training in played(state, lambda shape: 700)]
    assert shapes[0] == in_8_bits
    assert (in_4_bits in shapes) == tried_in_4_bits


def test_a_teacher_that_saw_the_rows_needs_a_control_before_anything_is_decided() -> None:
    state = known(seen=True)
    done = played(state, lambda shape: 900 if shape.layers == 3 else 895)
    assert [training.shape for training in done] == [FIRST[0], control_shape(SPACE)]


def test_less_time_means_fewer_epochs() -> None:
    done = played(known(), lambda shape: 895, fits=lambda training: training.epochs <= 6)
    assert [training.epochs for training in done] == [6]


def test_a_student_that_was_the_control_for_a_few_epochs_can_still_be_deployed() -> None:
    state = known(seen=True)
    least = control_shape(SPACE)
    done = played(
        state,
        lambda shape: 900 if shape == least else 700,
        fits=lambda training: training.epochs < 12,
    )
    assert done[-1] == Training(least, 6, deploy=True)


def test_no_time_at_all_tries_nothing() -> None:
    state = known()
    assert played(state, lambda shape: 900, fits=lambda training: False) == []
    assert state.control.name == "teacher"
    assert known(seen=True).control.why == "no student was trained"


def clock(limit_s: float, epoch_s: float = 10.0) -> SearchClock:
    """Return a clock that knows what an epoch of the fastest student takes."""
    made = SearchClock(limit_s + CLOSING_S)
    made.trained(SPACE.work(FIRST[0]), 1, epoch_s)
    return made


@pytest.mark.parametrize(
    ("limit_s", "shape"), [(1e6, FIRST[-1]), (210, FIRST[2]), (100, control_shape(SPACE))]
)
def test_the_control_is_the_slowest_student_that_fits(limit_s: float, shape: Shape) -> None:
    assert affordable_control(known(seen=True), clock(limit_s)) == shape


def test_a_search_that_goes_on_keeps_its_control() -> None:
    state = known(seen=True)
    rows = right(800)
    state.trials += [
        Trial(shape, 3, Latency(1.0, 2.0, 3.0), 1.0, 1.0, rows) for shape in (FIRST[0], FIRST[2])
    ]
    assert affordable_control(state, clock(1e6)) == FIRST[2]


def test_a_training_leaves_time_for_the_control() -> None:
    state = known(seen=True)
    state.control_shape = FIRST[2]
    fastest_s = {epochs: 10.0 * epochs for epochs in EPOCHS}
    control_s = clock(0).training_s(SPACE.work(FIRST[2]), 3)
    time_s = fastest_s[6] + control_s + 1
    assert leaves_time(state, clock(time_s), Training(FIRST[0], 6))
    assert not leaves_time(state, clock(time_s), Training(FIRST[0], 12))
    assert leaves_time(state, clock(control_s + 1), Training(FIRST[2], 3))


@pytest.mark.parametrize("rule", [quickest, climb])
def test_a_student_that_failed_is_not_tried_again(
    rule: Callable[[SearchState], list[Training]],
) -> None:
    state = known()
    state.closed.add(FIRST[0])
    assert FIRST[0] not in [training.shape for training in rule(state)]


def test_the_rules_are_a_search_s_own_but_for_the_ladder() -> None:
    assert Ladder.rules == (quickest, schedule.control, climb)


def test_what_a_student_kept_is_said_in_words() -> None:
    trial = Trial(FIRST[0], 12, Latency(0.1, 0.2, 60.0), 1.8, 1.0, right(890), right(890))
    said = verdict(Standing(trial, 0.984, 0.975), GOAL)
    assert said == (
        "1 layer, 50 % of the FFN, without positions: 98.4% of the accuracy (at least 97.5%),"
        " 60.0× faster, 1.8 MB: enough"
    )
    assert verdict(Standing(trial, 0.96, 0.95), GOAL).endswith("too little, on to the next")
    assert words(Shape(3)) == "3 layers"

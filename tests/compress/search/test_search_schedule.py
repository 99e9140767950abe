"""What a search trains next, simulated with shapes whose figures are invented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from compress.search import schedule
from compress.search.choice import SEEDS, Goal, fastest, pareto, smallest
from compress.search.clock import CLOSING_S, SearchClock
from compress.search.control import control_shape
from compress.search.schedule import SearchState, Training
from compress.search.shape import Shape
from compress.search.trial import Latency, Trial, trial_from_json
from tests.compress.searching import SPACE, control, right

RUNGS = (3, 8, 20)
RULES: tuple[Callable[[SearchState], Iterator[Training]], ...] = (
    *(schedule.first, schedule.control, schedule.faster, schedule.confirm, schedule.smaller),
    *(schedule.nearby, schedule.rest),
)


def known(*, seen: bool = False) -> SearchState:
    """Return the state of a search at its beginning."""
    teacher = None if seen else control()
    return SearchState(SPACE, Goal(0.98), RUNGS, 7, teacher, control_shape(SPACE), "why")


def made(training: Training, hits: Callable[[Shape], int] = lambda shape: 900) -> Trial:
    """Return the trial that a training gives: more epochs lose fewer of the rows."""
    work = SPACE.work(training.shape) or 0.01
    size_mb = work * (1.0 if training.shape.embeddings == "int4" else 1.5)
    count = hits(training.shape) - {3: 60, 8: 15, 20: 0, 0: 0}[training.epochs]
    rows = right(count)
    latency = Latency(work, 2 * work, 8 / work)
    deployed = rows if training.deploy else None
    return Trial(
        *(training.shape, training.epochs, latency, size_mb, 10 * work, rows, deployed),
        training.seed,
    )


def played(state: SearchState, hits: Callable[[Shape], int], most: int = 400) -> list[Training]:
    """Train what the rules yield until they yield nothing, and return the trainings."""
    done: list[Training] = []
    while training := next((training for rule in RULES for training in rule(state)), None):
        trial = made(training, hits)
        if (
            state.worth(training.shape, trial.latency, trial.size_mb)
            or training.shape in SPACE.first()
            or training.seed is not None
        ):
            state.trials.append(trial)
        else:
            state.closed.add(training.shape)
        done.append(training)
        assert len(done) < most, "the rules never end"
    return done


def test_the_fixed_shapes_come_first_and_the_fastest_of_them_before_the_others() -> None:
    trainings = played(known(), lambda shape: 900)
    slowest = control_shape(SPACE)
    first = [shape for shape in SPACE.first() if shape != slowest]
    assert [training.shape for training in trainings[: len(first)]] == first
    assert trainings[len(first)].shape != slowest
    assert all(training.epochs == RUNGS[0] for training in trainings[: len(first)])
    assert first[0] == min(first, key=SPACE.work)


def test_the_answer_is_the_fastest_shape_that_can_meet_the_goal() -> None:
    def hits(shape: Shape) -> int:
        return 898 if SPACE.work(shape) > 1 else 870

    state = known()
    played(state, hits)
    answer, least = fastest(state.rows, state.goal), smallest(state.rows, state.goal)
    assert answer is not None
    assert least is not None
    tried = {row.trial.shape for row in state.rows}
    able = [shape for shape in tried if hits(shape) == 898]
    assert SPACE.work(answer.trial.shape) == min(map(SPACE.work, able))
    assert least.trial.size_mb <= answer.trial.size_mb


def test_a_shape_that_fails_the_goal_leads_to_a_larger_one() -> None:
    state = known()
    played(state, lambda shape: 899 if shape.layers == 4 else 850)
    answer = fastest(state.rows, state.goal)
    assert answer is not None
    assert answer.trial.shape.layers == 4
    assert 4 not in {shape.layers for shape in SPACE.first()}


def test_what_keeps_enough_but_is_too_large_is_made_smaller_before_what_fits_is_made_larger() -> (
    None
):
    def hits(shape: Shape) -> int:
        return 840 if shape.layers == 1 else 899

    state = known()
    heavy = next(shape for shape in SPACE.first() if shape.layers == 2)
    state.goal = Goal(0.98, artifact_mb=SPACE.work(heavy) - 0.01)
    trainings = played(state, hits)
    tried = [one.shape for one in trainings if one.shape not in SPACE.first()]
    assert tried[0] in SPACE.neighbors(heavy, smaller=True)
    answer = fastest(state.rows, state.goal)
    assert answer is not None
    assert answer.trial.shape.layers == 2


def test_what_cannot_win_is_not_trained_to_the_end() -> None:
    state = known()
    trainings = played(state, lambda shape: 900)
    trained = {training.shape for training in trainings if training.epochs == RUNGS[-1]}
    assert len(trained) < len({training.shape for training in trainings})
    assert Shape(3, 0.5, embeddings="int4") not in trained


def test_linear_students_come_before_the_others_and_are_fitted_once() -> None:
    space = replace(SPACE, linear=True)
    state = SearchState(space, Goal(0.98), RUNGS, 7, control(), control_shape(space), "why")
    trainings = list(schedule.linear(state))
    assert [training.shape for training in trainings] == space.first_linear()
    assert all((one.epochs, one.deploy) == (0, True) for one in trainings)
    assert control_shape(space).layers > 0
    state.trials = [made(trainings[0])]
    assert state.further(state.rows[0]) is None
    assert state.reach(state.rows[0]) == state.rows[0].retention
    again = next(schedule.confirm(state))
    assert again == Training(trainings[0].shape, 0, deploy=True, seed=8)


def test_no_larger_linear_student_is_fitted_where_one_has_all_n_grams() -> None:
    space = replace(SPACE, linear=True)
    state = SearchState(space, Goal(0.98), RUNGS, 7, control(), control_shape(space), "why")
    characters = Shape(0, n_grams="characters", features=20_000)
    more = [replace(characters, features=count) for count in (10_000, 50_000, 100_000)]
    words = Shape(0, n_grams="words", features=50_000)
    trial = made(Training(characters, 0, deploy=True))
    state.trials.append(trial)
    assert [one.shape for one in state.untried([*more, words])] == [*more, words]
    state.trials[0] = trial_from_json(replace(trial, whole=True).to_json())
    assert [one.shape for one in state.untried([*more, words])] == [more[0], words]


def test_only_the_last_rung_is_deployed() -> None:
    trainings = played(known(), lambda shape: 895)
    assert all(training.deploy == (training.epochs == RUNGS[-1]) for training in trainings)


def test_the_control_is_trained_before_anything_is_taken_further() -> None:
    state = known(seen=True)
    trainings = played(state, lambda shape: 890 + shape.layers)
    after = trainings[len(SPACE.first())]
    assert after == Training(control_shape(SPACE), RUNGS[-1], deploy=True)
    assert state.control.shape == control_shape(SPACE)
    assert state.control.scores == right(893)
    assert list(schedule.control(known())) == [], "the teacher needs no stand-in"


def test_before_there_is_a_control_the_most_accurate_student_stands_in() -> None:
    state = known(seen=True)
    state.trials.append(made(Training(Shape(1, embeddings="int4"), 3)))
    assert state.control.shape is None
    assert state.rows[0].retention == 1


def test_what_is_closed_is_not_tried_again() -> None:
    state = known()
    state.closed.update(SPACE.first())
    assert list(schedule.first(state)) == []
    state.trials.append(made(Training(SPACE.first()[0], 3)))
    assert state.further(state.rows[0]) is None


def test_when_the_rules_are_done_shapes_beside_the_front_are_tried_in_an_order_of_the_seed() -> (
    None
):
    state = known()
    played(state, lambda shape: 900)
    trainings = list(schedule.beside(state))
    front = [row.trial.shape for row in pareto(state.rows)]
    near = {
        s for shape in front for cut in (True, False) for s in SPACE.neighbors(shape, smaller=cut)
    }
    tried = {trial.shape for trial in state.trials}
    assert trainings
    assert {training.shape for training in trainings} == near - tried - state.closed
    assert {training.epochs for training in trainings} == {RUNGS[0]}
    assert list(schedule.beside(state)) == trainings, "a search that goes on draws the same"
    state.seed += 1
    assert list(schedule.beside(state)) != trainings


def test_at_the_end_the_front_is_deployed_what_meets_the_goal_first() -> None:
    state = known()
    poor, good = SPACE.first()[0], SPACE.first()[-1]
    state.trials += [
        made(Training(poor, 8), lambda shape: 860),
        made(Training(good, 8), lambda shape: 910),
    ]
    assert list(schedule.undeployed(state)) == [Training(good, 8, True), Training(poor, 8, True)]


def test_at_the_end_the_nearest_is_deployed_first_where_none_meets_the_goal() -> None:
    state = known()
    fast, slow = SPACE.first()[0], SPACE.first()[-1]
    state.trials += [
        made(Training(fast, 3), lambda shape: 800),
        made(Training(slow, 3), lambda shape: 860),
    ]
    assert [one.shape for one in schedule.undeployed(state)] == [slow, fast]


@pytest.mark.parametrize("limit", [10.0, 400.0, 100_000.0])
def test_only_what_fits_the_time_with_its_refit_is_begun(limit: float) -> None:
    clock = SearchClock(limit)
    assert clock.training_s(1.0, 20) == 0, "nothing is known yet"
    clock.trained(1.0, epochs=3, seconds=30.0)
    clock.making_s, clock.answering_s = 5.0, 8.0
    assert clock.training_s(1.0, 20) == pytest.approx(200)
    assert clock.training_s(2.0, 20) == pytest.approx(400)
    assert clock.training_s(0.5, 20) == pytest.approx(200)
    clock.trained(0.0, epochs=0, seconds=4.0)
    assert clock.training_s(0.0, 0) == 4, "a linear student says nothing about the others' time"
    assert clock.training_s(0.5, 20) == pytest.approx(200)
    needed = 200 * (1 + 1.25) + 10 + 10 + CLOSING_S
    assert clock.allows(1.0, 20, refits=1) == (limit > needed)
    assert SearchClock(None).allows(1.0, 20, refits=3)


def test_a_linear_student_is_tried_where_little_else_fits() -> None:
    clock = SearchClock(CLOSING_S + 30)
    clock.trained(1.0, epochs=3, seconds=30.0)
    clock.making_s, clock.answering_s = 20.0, 60.0
    assert clock.allows(0.0, 0, refits=3)
    assert not clock.allows(1.0, 3, refits=3)
    assert not SearchClock(CLOSING_S - 1).allows(0.0, 0, refits=1)


def test_where_there_is_one_rung_it_is_the_last() -> None:
    state = known()
    state.rungs = (20,)
    assert all(training.deploy for training in schedule.first(state))


def test_what_would_be_the_answer_is_trained_with_fresh_seeds() -> None:
    state = known()
    played(state, lambda shape: 900)
    repeated: dict[Shape, list[int | None]] = {}
    for one in state.trials:
        repeated.setdefault(one.shape, []).extend([one.seed] if one.seed is not None else [])
    answer, least = fastest(state.rows, state.goal), smallest(state.rows, state.goal)
    assert answer is not None
    assert least is not None
    for row in (answer, least):
        assert row.seeds == SEEDS
        assert repeated[row.trial.shape] == [8, 9]
    assert list(schedule.confirm(state)) == []


def test_what_is_far_from_the_goal_or_failed_is_not_trained_again() -> None:
    state = known()
    shape = SPACE.first()[0]
    state.trials.append(made(Training(shape, 20, deploy=True), lambda shape: 850))
    assert list(schedule.confirm(state)) == []
    state.trials = [made(Training(shape, 20, deploy=True))]
    assert list(schedule.confirm(state)) == [Training(shape, 20, deploy=True, seed=8)]
    state.closed.add(shape)
    assert list(schedule.confirm(state)) == []


def test_a_lucky_first_seed_is_no_answer_after_the_others() -> None:
    state = known()
    shape = SPACE.first()[0]
    state.trials = [made(Training(shape, 20, deploy=True))]
    assert fastest(state.rows, state.goal) is not None
    for _ in range(SEEDS - 1):
        again = next(schedule.confirm(state))
        state.trials.append(made(again, lambda shape: 870))
    assert fastest(state.rows, state.goal) is None

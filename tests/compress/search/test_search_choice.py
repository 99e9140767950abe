"""Which shapes meet a goal, which wins, and which can still win."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.search.choice import (
    Goal,
    Standing,
    can_win,
    fastest,
    fastest_in_any_bits,
    meets,
    near,
    nearest,
    optimistic,
    pareto,
    smallest,
    standings,
)
from compress.search.evidence import LUCK
from compress.search.shape import Shape
from tests.compress.searching import ONE_LAYER, control, standing, trial

GOAL = Goal(0.98)

shares = st.sampled_from([0.95, 0.97, 0.99, 0.995, 1.0])
rows = st.lists(
    st.builds(standing, shares, st.sampled_from([2.0, 5.0, 9.0]), st.sampled_from([1.0, 2.0, 4.0])),
    max_size=8,
)


def test_a_goal_is_met_by_the_bound_and_only_by_what_is_deployed() -> None:
    assert meets(standing(0.985, 5, 2), GOAL)
    assert not meets(standing(0.984, 5, 2), GOAL)
    assert not meets(standing(0.99, 5, 2), Goal(0.986))
    assert not meets(standing(0.99, 5, 2, deployed=False), GOAL)


def test_what_lacks_only_the_luck_of_seeds_is_near() -> None:
    assert near(standing(0.98, 5, 2), GOAL)
    assert not near(standing(0.975, 5, 2), GOAL)
    assert not near(standing(0.98, 5, 2, deployed=False), GOAL)


def test_the_nearest_is_the_deployed_one_of_the_highest_bound() -> None:
    seen = [standing(0.95, 9, 2), standing(0.97, 5, 3), standing(0.99, 3, 4, deployed=False)]
    assert nearest(seen) is seen[1]
    assert nearest(seen[2:]) is seen[2]
    assert nearest([]) is None


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(0.98, artifact_mb=2.0), True),
        (Goal(0.98, artifact_mb=1.9), False),
        (Goal(0.98, latency_p90_ms=1.6), True),
        (Goal(0.98, latency_p90_ms=1.5), False),
    ],
)
def test_size_and_latency_are_limits_too(goal: Goal, met: bool) -> None:
    assert meets(standing(0.99, 5, 2), goal) == met


def test_the_fastest_and_the_smallest_are_among_those_that_meet_the_goal() -> None:
    seen = [standing(0.97, 30, 1), standing(0.99, 20, 3), standing(1.0, 10, 2)]
    first, least = fastest(seen, GOAL), smallest(seen, GOAL)
    assert first is seen[1]
    assert least is seen[2]
    assert fastest(seen[:1], GOAL) is None


def _in(weights: str, speedup: float, embeddings: str | None = None) -> Standing:
    shape = dataclasses.replace(ONE_LAYER, weights=weights, embeddings=embeddings)
    return Standing(trial(shape, speedup=speedup), 0.99, 0.985)


@pytest.mark.parametrize(("gain", "kept"), [(1.0, "int8"), (1.019, "int8"), (1.021, "int4")])
def test_fewer_bits_are_shipped_only_where_they_measure_faster(gain: float, kept: str) -> None:
    seen = [_in("int8", 10.0), _in("int4", 10.0 * gain), _in("int8", 5.0, "int4")]
    answer = fastest(seen, GOAL)
    assert answer is not None
    assert answer.trial.shape.weights == kept
    assert fastest_in_any_bits(seen, GOAL) is seen[gain > 1]


def test_fewer_bits_stay_where_no_wider_model_of_the_shape_meets_the_goal() -> None:
    narrow = _in("int4", 10.0)
    bad = dataclasses.replace(_in("int8", 10.0), lower=0.9)
    other = _in("int8", 9.99, "int4")
    assert fastest([narrow, bad, other], GOAL) is narrow


def test_the_width_of_a_lookup_is_not_judged_by_speed() -> None:
    narrow = dataclasses.replace(_in("int8", 10.0, "int4"))
    wide = _in("int8", 9.99)
    assert fastest([wide, narrow], GOAL) is narrow
    assert smallest([], GOAL) is None


@given(rows)
def test_the_front_is_what_none_beats(seen: list[Standing]) -> None:
    front = pareto(seen)
    for row in seen:
        assert (row in front) == (not any(other.beats(row) for other in seen))
    assert bool(front) == bool(seen)
    answer = fastest(seen, GOAL)
    if answer is not None:
        ties = [row for row in front if row.trial.latency.speedup == answer.trial.latency.speedup]
        assert ties, "nothing on the front is as fast as the answer"


@given(rows)
def test_nothing_beats_itself(seen: list[Standing]) -> None:
    assert not any(row.beats(row) for row in seen)


def test_a_shape_stands_by_its_longest_training() -> None:
    short = trial(epochs=3, hits=800, deployed=False)
    long = trial(epochs=20, hits=891)
    other = trial(Shape(2), hits=900, speedup=5)
    rows = standings([short, long, other], control())
    assert [row.trial for row in rows] == [long, other]
    assert rows[0].retention == pytest.approx(0.99)
    assert 0.97 < rows[0].lower < 0.99


def test_a_deployed_model_stands_before_its_student() -> None:
    student, model = trial(deployed=False), trial(deployed=True)
    assert standings([model, student], control())[0].trial is model


def test_a_shape_that_was_trained_again_stands_by_the_mean_of_its_seeds() -> None:
    again = [
        dataclasses.replace(trial(hits=hits), seed=seed) for seed, hits in ((8, 882), (9, 891))
    ]
    rows = standings([trial(hits=900), *again], control())
    assert len(rows) == 1
    assert rows[0].trial.seed is None
    assert rows[0].retention == pytest.approx(891 / 900)
    assert rows[0].seeds == 3
    assert rows[0].luck > LUCK, "these seeds differ by more than is usual"


def test_seeds_of_a_shorter_training_do_not_count() -> None:
    again = dataclasses.replace(trial(epochs=8, hits=800), seed=8)
    rows = standings([trial(epochs=8, hits=860), again, trial(hits=891)], control())
    assert rows[0].retention == pytest.approx(0.99)
    assert rows[0].seeds == 1


def test_hope_is_what_longer_training_has_won_so_far() -> None:
    early = trial(epochs=3, hits=800, deployed=False)
    row = standings([early], control())[0]
    assert optimistic(row, [early], 20, control()) > 0.97, "nothing is known yet"
    others = [trial(Shape(1), epochs=3, hits=850), trial(Shape(1), epochs=20, hits=860)]
    alike = [dataclasses.replace(one, shape=Shape(1, ffn=0.75)) for one in others]
    hope = optimistic(row, [early, *alike], 20, control())
    assert hope == pytest.approx(810 / 900)
    done = standings([trial(hits=800)], control())[0]
    assert optimistic(done, others, 20, control()) == done.retention


def test_a_shape_of_another_depth_that_gained_nothing_does_not_take_all_hope() -> None:
    """One layer is too little for a task of order and tone: it says nothing of two."""
    early = trial(Shape(2), epochs=3, hits=860, deployed=False)
    row = standings([early], control())[0]
    one_layer = [trial(Shape(1), epochs=3, hits=830), trial(Shape(1), epochs=20, hits=825)]
    hope = optimistic(row, [early, *one_layer], 20, control())
    assert hope == pytest.approx((860 + 0.25 * 40) / 900)
    gained = [*one_layer, trial(Shape(0, pairs=9, hidden=64), epochs=3, hits=700)]
    gained.append(trial(Shape(0, pairs=9, hidden=64), epochs=20, hits=760))
    assert optimistic(row, [early, *gained], 20, control()) == pytest.approx(920 / 900)


def test_what_another_beats_even_at_its_best_cannot_win() -> None:
    slow = standing(0.95, 5, 2, deployed=False)
    assert can_win(slow, 0.99, [slow, standing(0.98, 9, 1)])
    assert not can_win(slow, 0.97, [slow, standing(0.98, 9, 1)])

"""How sure a retention is: its error, the luck of seeds, and the allowance for many shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.search.evidence import LUCK, RISK, critical, kept, risk
from profiles.scores import RowScores
from tests.compress.searching import right

TEACHER = right(900)
counts = st.integers(700, 950)


@given(counts, st.lists(counts, max_size=4))
def test_the_bound_is_below_the_mean_and_seeds_bring_it_nearer(first: int, more: list[int]) -> None:
    one = kept((right(first),), TEACHER)
    assert one.lower(critical([one])) < one.value == pytest.approx(first / 900)
    same = kept((right(first),) * (1 + len(more)), TEACHER)
    assert same.lower(2.0) >= one.lower(2.0)
    known = kept((right(first), *map(right, more)), TEACHER)
    assert known.value == pytest.approx((first + sum(more)) / (1 + len(more)) / 900)


def test_models_that_agree_on_every_row_are_not_sure_to_agree_always() -> None:
    few = kept((right(90, 100),), right(90, 100))
    assert few.value == 1
    exact = 1 - RISK ** (1 / 90)
    assert few.lower(critical([few])) < 1 - exact


def test_seeds_that_differ_more_than_is_usual_widen_the_bound() -> None:
    steady = kept((right(890),) * 3, TEACHER)
    wild = kept((right(860), right(890), right(920)), TEACHER)
    assert steady.luck < LUCK < wild.luck
    assert wild.lower(1.3) < steady.lower(1.3)


def drawn(shape: int, rows: int = 2000) -> RowScores:
    return RowScores.right(np.random.default_rng(shape).random(rows) < 0.9)


def test_more_shapes_need_more_errors_and_alike_ones_few_more() -> None:
    reference = drawn(0)
    different = [kept((drawn(shape),), reference) for shape in range(1, 21)]
    limits = [critical(different[:count]) for count in (1, 2, 6, 20)]
    assert limits == sorted(limits)
    assert limits[0] == pytest.approx(1.2816, abs=1e-3)
    sidak = 2.557  # of 20 independent shapes
    assert 2 < limits[-1] < sidak, "all are compared with one reference"
    assert critical([different[0]] * 20) < limits[2] < limits[-1]


def test_shapes_that_are_planned_count_before_they_are_judged() -> None:
    one = kept((drawn(1),), drawn(0))
    assert critical([one], planned=5) == pytest.approx(2.036, abs=0.05)
    assert critical([one], planned=1) == critical([one])
    assert critical([], planned=1) == critical([])


def test_few_rows_take_less_of_the_risk() -> None:
    assert risk(10_000) == risk(1000) == RISK
    assert risk(300) == pytest.approx(0.3 * RISK)
    few, many = (kept((drawn(1, rows),), drawn(0, rows)) for rows in (300, 1000))
    assert critical([few]) > critical([many])


def test_scores_that_are_not_right_or_wrong_have_an_error_too() -> None:
    generator = np.random.default_rng(3)
    weight = generator.integers(1, 6, 4000).astype(float)
    teacher = RowScores(weight * (generator.random(4000) < 0.9), weight)
    student = RowScores(weight * (generator.random(4000) < 0.88), weight)
    known = kept((student,), teacher)
    ratios = []
    for _ in range(400):
        rows = generator.integers(4000, size=4000)
        ratios.append(student.of(rows).metric / teacher.of(rows).metric)
    assert known.rows_error == pytest.approx(float(np.std(ratios)), rel=0.12)


def test_a_reference_that_earns_nothing_keeps_nothing() -> None:
    nothing = kept((right(10),), right(0))
    assert nothing.value == 0
    assert math.isfinite(nothing.lower(2.0))


@pytest.mark.parametrize("lost", [0.002, 0.01, 0.05])
def test_the_bound_of_one_shape_misses_no_more_than_it_says(lost: float) -> None:
    generator = np.random.default_rng(11)
    misses = 0
    for _ in range(400):
        teacher = generator.random(800) < 0.92
        student = np.where(teacher, generator.random(800) >= lost, generator.random(800) < 0.1)
        truth = 1 - lost + 0.08 * 0.1 / 0.92
        one = kept((RowScores.right(student),), RowScores.right(teacher))
        misses += one.lower(critical([one])) > truth
    assert misses <= 400 * RISK + 2 * math.sqrt(400 * RISK * (1 - RISK))

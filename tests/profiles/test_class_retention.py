"""The worst class: its bounds, how often they are wrong, and what is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import multinomial

from profiles.class_retention import (
    LEAST_ROWS,
    ClassCounts,
    count_classes,
    worst_class_interval,
)
from profiles.device import DeviceProfile
from profiles.gate import Check, judge
from profiles.measurement import Figures
from runtimes.facts import probe

Answers = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

CLASSES, ROWS = 77, 40
"""Banking77's test split."""


def _class(both: int, gained: int, lost: int, neither: int = 0) -> ClassCounts:
    return ClassCounts(0, both, gained, lost, both + gained + lost + neither)


def _named(classes: int) -> list[str]:
    return [f"class {number}" for number in range(classes)]


# One class


@pytest.mark.parametrize("risk", [0.05, 1 - 0.95 ** (1 / CLASSES)])
@pytest.mark.parametrize("rows", [20, 37])
@pytest.mark.parametrize(("gained", "lost"), [(0, 0.03), (0.03, 0.03), (0.2, 0.2), (0.05, 0.15)])
def test_a_bound_is_wrong_no_oftener_than_it_says(
    risk: float, rows: int, gained: float, lost: float
) -> None:
    """No simulation: every outcome is weighted with its probability."""
    truth = (1 - lost) / (1 - gained)
    chances = multinomial(rows, [1 - gained - lost, gained, lost])
    low = high = 0.0
    for more in range(rows + 1):
        for fewer in range(rows + 1 - more):
            weight = float(chances.pmf([rows - more - fewer, more, fewer]))
            if weight > 1e-7:
                seen = _class(rows - more - fewer, more, fewer)
                low += weight * (seen.lower(1 - risk) > truth)
                high += weight * (seen.upper(1 - risk) < truth)
    assert max(low, high) <= risk


@settings(max_examples=40)
@given(st.integers(0, 60), st.integers(0, 20), st.integers(0, 20), st.floats(0.6, 0.9999))
def test_bounds_hold_the_value_and_turn_with_the_roles(
    both: int, gained: int, lost: int, confidence: float
) -> None:
    interval = _class(both, gained, lost)
    low, high = interval.lower(confidence), interval.upper(confidence)
    if interval.retention is not None:
        assert 0 <= low <= interval.retention + 1e-9
        assert interval.retention - 1e-9 <= high < np.inf
        if interval.right:
            turned = _class(both, lost, gained)
            assert low == pytest.approx(1 / turned.upper(confidence))


@settings(max_examples=40)
@given(st.integers(1, 500), st.floats(0.6, 0.999))
def test_a_class_that_kept_all_has_the_bound_of_a_binomial(rows: int, confidence: float) -> None:
    """The rule of three at 95 %."""
    expected = (1 - confidence) ** (1 / rows)
    assert _class(rows, 0, 0).lower(confidence) == pytest.approx(expected, rel=1e-5)


def test_rows_that_neither_has_right_change_nothing() -> None:
    assert _class(30, 1, 3, neither=9).lower(0.95) == _class(30, 1, 3).lower(0.95)


def test_a_class_that_lost_all_is_bounded() -> None:
    interval = _class(0, 0, 30)
    assert interval.retention == 0
    assert interval.lower(0.95) == 0
    assert interval.upper(0.95) == pytest.approx(0.05 ** (-1 / 30) - 1, rel=1e-4)


def test_many_rows_are_no_trouble() -> None:
    interval = _class(90_000, 2_000, 3_000)
    low, high = interval.lower(0.95), interval.upper(0.95)
    assert low < 920 / 930 < high
    assert high - low < 0.003


# The worst of many


def _drawn(rng: np.random.Generator, kept: float, churn: float) -> Answers:
    """Draw 77 classes of 40 rows, each keeping a share of what the reference has right (93 %)."""
    truth = np.repeat(np.arange(CLASSES), ROWS)
    known = rng.random(truth.size) < 0.93
    lose = 1 - kept * (1 - churn)
    gain = churn * kept * 0.93 / 0.07
    mine = np.where(known, rng.random(truth.size) >= lose, rng.random(truth.size) < gain)
    other = (truth + 1) % CLASSES
    return truth, np.where(mine, truth, other), np.where(known, truth, other)


@pytest.mark.parametrize(("kept", "churn"), [(1.0, 0.03), (0.9, 0.0)])
def test_a_model_at_the_limit_in_every_class_does_not_fail(kept: float, churn: float) -> None:
    """The worst case for a false FAIL: 77 chances of an unlucky result, 5 % together."""
    rng = np.random.default_rng(5)
    draws, failed, least = 200, 0, []
    for _ in range(draws):
        interval = worst_class_interval(count_classes(*_drawn(rng, kept, churn)), _named(77), 0.95)
        assert interval.upper is not None
        assert interval.value is not None
        failed += interval.upper < kept
        least.append(interval.value)
    assert failed / draws <= 0.05
    assert np.mean(least) < kept - 0.02  # the value alone would nearly always say FAIL


def test_a_single_bad_class_seldom_passes() -> None:
    """A PASS needs no correction: it is wrong only if the one bad class appears good."""
    rng = np.random.default_rng(6)
    draws, passed = 1_000, 0
    for _ in range(draws):
        lost = int(rng.binomial(100, 0.1))
        rows = (_class(100 - lost, 0, lost), *[_class(100, 0, 0)] * 9)
        lower = worst_class_interval(rows, _named(1), 0.95).lower
        assert lower is not None
        passed += lower > 0.9
    assert passed / draws <= 0.07  # three standard errors


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.integers(0, 30)] * 4), min_size=1, max_size=8))
def test_the_worst_is_within_its_bounds(tables: list[tuple[int, int, int, int]]) -> None:
    classes = [
        ClassCounts(number, a, b, c, a + b + c + d) for number, (a, b, c, d) in enumerate(tables)
    ]
    interval = worst_class_interval(classes, _named(len(classes)), 0.95)
    if interval.value is None:
        assert not any(row.judged for row in classes)
    else:
        assert interval.lower is not None
        assert interval.upper is not None
        assert interval.lower <= interval.value <= interval.upper


# What is said


def _check(answers: Answers, labels: list[str], limit: float) -> Check:
    truth, mine, reference = answers
    by_class = count_classes(truth, mine, reference)
    sums = {"worst_class_retention": lambda c: worst_class_interval(by_class, labels, c)}
    check = Figures(sums)
    budgets = {"worst_class_retention": {"min": limit}}
    profile = DeviceProfile.model_validate({"schema": 1, "name": "mine", "budgets": budgets})
    return judge(profile, check, probe()).checks[0]


def _broken(lost: int) -> Answers:
    """Make three classes of 200 rows, the second of which loses its first rows."""
    truth = np.repeat(np.arange(3), 200)
    mine = truth.copy()
    mine[200 : 200 + lost] = 2
    return truth, mine, truth


def test_a_broken_class_fails_and_is_named() -> None:
    check = _check(_broken(60), ["ok", "lost", "fine"], 0.9)
    assert check.status == "FAIL"
    assert check.why == "lost keeps 140 of 200 right"


def test_a_good_model_passes() -> None:
    assert _check(_broken(4), ["ok", "lost", "fine"], 0.9).status == "PASS"


def test_too_few_rows_are_undecided_and_more_are_asked_for() -> None:
    check = _check(_broken(15), ["ok", "lost", "fine"], 0.9)
    assert check.status == "INCONCLUSIVE"
    assert "rows (have 600)" in check.why
    assert "lost keeps 185 of 200 right" in check.why


def test_what_is_left_out_is_named() -> None:
    few, many = LEAST_ROWS - 1, LEAST_ROWS
    truth = np.repeat(np.arange(3), [few, many, many])
    reference = np.where(truth == 1, 2, truth)
    check = _check((truth, truth, reference), ["rare", "hopeless", "fine"], 0.5)
    assert check.status == "PASS"
    assert "1 left out, under 20 rows: rare" in check.why
    assert "1 left out, the reference has none right: hopeless" in check.why


def test_no_class_with_enough_rows_is_undecided() -> None:
    truth = np.repeat(np.arange(4), 3)
    check = _check((truth, truth, truth), list("abcd"), 0.5)
    assert check.status == "INCONCLUSIVE"
    assert check.why == "4 left out, under 20 rows: a, b, c…"


def test_the_surer_of_two_bad_classes_is_named_too() -> None:
    rows = (_class(14, 0, 6), ClassCounts(1, 220, 0, 80, 300))
    interval = worst_class_interval(rows, ["small", "large"], 0.95)
    assert interval.why == "small keeps 14 of 20 right; large keeps 220 of 300 right"

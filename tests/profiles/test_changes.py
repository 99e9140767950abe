"""Change points: what holds for every series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.changes import Setting, change_points

FLOATS = st.floats(0.1, 10)
SERIES = st.lists(st.tuples(FLOATS, st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=14)


def step(entries: int = 20, place: int = 12, by: float = 1.2) -> np.ndarray:
    values = np.exp(np.random.default_rng(7).normal(0, 0.01, entries))
    values[place:] *= by
    return values


def alone(entries: int) -> Setting:
    return Setting([""] * entries, list(range(entries)))


@settings(max_examples=60, deadline=None)
@given(SERIES)
def test_any_series_has_changes_in_order_within_it(rows: list[tuple[float, int, int]]) -> None:
    values, strata, new = (list(column) for column in zip(*rows, strict=True))
    units = list(np.cumsum(new))
    changes = change_points({"x": values}, Setting(strata, units), risk=0.5)["x"]
    places = [change.place for change in changes]
    assert places == sorted(set(places))
    for change in changes:
        assert 0 < change.earliest <= change.place <= change.latest < len(values)
        assert change.lower <= change.ratio <= change.upper
        assert 0 < change.p <= 0.5
        assert units[change.place] != units[change.place - 1]


@settings(max_examples=20, deadline=None)
@given(st.floats(0.001, 1000))
def test_the_unit_of_a_figure_changes_nothing(scale: float) -> None:
    one = change_points({"x": step()}, alone(20))["x"]
    other = change_points({"x": step() * scale}, alone(20))["x"]
    assert [change.place for change in one] == [change.place for change in other] == [12]
    assert one[0].ratio == pytest.approx(other[0].ratio)


def test_a_constant_series_has_no_change() -> None:
    assert change_points({"x": [2.0] * 20}, alone(20))["x"] == ()


def test_a_series_without_noise_has_its_step() -> None:
    (change,) = change_points({"x": [1.0] * 10 + [1.1] * 10}, alone(20))["x"]
    assert (change.place, change.earliest, change.latest) == (10, 10, 10)
    assert change.ratio == pytest.approx(1.1)
    assert change.lower == pytest.approx(change.upper)


def test_an_improvement_is_below_one() -> None:
    (change,) = change_points({"x": step(by=0.8)}, alone(20))["x"]
    assert change.upper < 0.9


def test_one_odd_entry_is_no_change() -> None:
    values = step(by=1.0)
    values[9] *= 3
    assert change_points({"x": values}, alone(20))["x"] == ()


def test_a_change_begins_with_a_commit_and_not_within_one() -> None:
    """Each commit is measured on two machines, one after the other."""
    values = np.repeat(step(10, 6), 2)
    values[1::2] *= 3
    values[12] /= 1.2  # the first machine's figure of the commit that changed
    units = np.repeat(np.arange(10), 2)
    changes = change_points({"x": values}, Setting([0, 1] * 10, list(units)))["x"]
    assert {change.place for change in changes} & {12, 14}
    assert all(change.place % 2 == 0 for change in changes)


def test_a_seed_makes_it_repeatable() -> None:
    one, two = (change_points({"x": step(by=1.03)}, alone(20), seed=3) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("entries", [1, 2, 3])
def test_few_entries_have_no_change(entries: int) -> None:
    assert change_points({"x": step(entries, 1)}, alone(entries))["x"] == ()

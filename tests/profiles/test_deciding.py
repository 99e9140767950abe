"""Sample sizes, the risk of looks and Holm's test against published figures and simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.deciding import holm, rows_needed, spent


def test_the_rows_that_decide_are_the_designs_figure() -> None:
    assert round(rows_needed(0.03, 0.0076, 0.95), -2) == 3200


def test_the_rows_that_decide_do_decide() -> None:
    rows = rows_needed(0.03, 0.01, 0.95)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(rows, [0.97, 0.02, 0.01], size=4000)  # gained 2 %, lost 1 %
    mean = (drawn[:, 1] - drawn[:, 2]) / rows
    error = np.sqrt((drawn[:, 1] + drawn[:, 2]) / rows - mean**2) / math.sqrt(rows)
    assert np.mean(mean - 1.645 * error > 0) == pytest.approx(0.8, abs=0.03)


# Looks and many tests


@pytest.mark.parametrize("looks", [(1.0,), (0.5, 1.0), (5 / 16, 10 / 16, 1.0)])
def test_looks_spend_the_risk_once(looks: tuple[float, ...]) -> None:
    shares = spent(looks)
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0


def test_the_spending_function_is_the_published_one() -> None:
    # ln(1 + (e - 1) t) of Lan & DeMets (1983), worked out by hand at t = 0.2 … 1.
    expected = [0.2954, 0.5232, 0.7086, 0.8648, 1.0]
    assert np.cumsum(spent([0.2, 0.4, 0.6, 0.8, 1.0])) == pytest.approx(expected, abs=5e-4)


def test_what_is_never_looked_at_is_not_spent() -> None:
    assert sum(spent([0.25, 0.5])) < 0.65


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=12), st.floats(0.001, 0.3))
def test_holm_is_scipys_step_down(p_values: list[float], risk: float) -> None:
    assert _holm_of(p_values, risk) == _holm_by_sorting(p_values, risk)


def _holm_by_sorting(p_values: list[float], risk: float) -> frozenset[int]:
    """Follow the paper: from the smallest p-value on, until one is not rejected."""
    fallen: set[int] = set()
    for rank, i in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[i] > risk * (1 / (len(p_values) - rank)):
            break
        fallen.add(int(i))
    return frozenset(fallen)


def test_holm_by_hand() -> None:
    # Adjusted: 0.03, 0.06, 0.06.
    p_values = [0.01, 0.04, 0.03]
    assert _holm_of(p_values, 0.029) == frozenset()
    assert _holm_of(p_values, 0.05) == {0}
    assert _holm_of(p_values, 0.061) == {0, 1, 2}


def test_holm_of_nothing_rejects_nothing() -> None:
    assert holm(lambda _i, _share: True, 0) == frozenset()


def test_holm_wrongly_rejects_any_of_many_no_more_often_than_one() -> None:
    p_values = np.random.default_rng(0).random((4000, 6))
    together = np.mean([bool(_holm_of(row, 0.05)) for row in p_values])
    assert np.mean((p_values <= 0.05).any(axis=1)) > 0.2
    assert together <= 0.06


def _holm_of(p_values: Sequence[float], risk: float) -> frozenset[int]:
    return holm(lambda i, share: bool(p_values[i] <= risk * share), len(p_values))

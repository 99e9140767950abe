"""A model beside its rivals: the difference, and who is beaten."""

from __future__ import annotations

import numpy as np
import pytest

from compress.judge.rivals import difference, wins
from compress.report.schema import Estimate
from profiles.scores import RowScores


def _scores(right: list[int]) -> RowScores:
    return RowScores(np.array(right, dtype=np.float64), np.ones(len(right)))


def test_the_difference_is_paired_by_row() -> None:
    same = _scores([1, 0] * 200)
    assert difference(same, same, 7).value == 0
    better = difference(_scores([1, 1, 1, 0] * 100), _scores([1, 0, 1, 0] * 100), 7)
    assert better.value == pytest.approx(0.25)
    assert better.lower is not None
    assert better.lower > 0.2


@pytest.mark.parametrize(
    ("lower", "rival_mb", "won"),
    [
        (-0.01, 1.5, True),
        (-0.01, 1.6, False),
        (0.0, 1.0, True),
        (0.001, 1.0, False),
        (None, 1.0, True),
    ],
)
def test_a_rival_wins_where_it_is_not_larger_and_the_answer_not_surely_better(
    lower: float | None, rival_mb: float, won: bool
) -> None:
    assert wins(Estimate(0.002, lower, 0.01), rival_mb, 1.5) is won

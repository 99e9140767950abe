"""Rows' scores: their metric, what is refused, and how they are stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.scores import RowScores, unpacked
from runtimes.errors import DataError

EARNED = st.lists(
    st.tuples(st.floats(0, 1e6, allow_subnormal=False), st.floats(0, 1e6)), min_size=1, max_size=60
)


def scores(rows: list[tuple[float, float]]) -> RowScores:
    value, weight = zip(*rows, strict=True)
    return RowScores(np.array(value), np.array(weight))


def test_the_metric_is_what_was_earned_of_what_could_be() -> None:
    assert RowScores.right([True, False, True, True]).metric == 0.75
    f1 = scores([(2, 3), (0, 1), (4, 4)])  # 2 TP, and 2 TP + FP + FN, of three sentences
    assert f1.metric == 0.75
    assert scores([(0, 0)]).metric == 0, "a sentence without entities, and none found"


def test_right_or_wrong_is_told_from_more_or_less() -> None:
    assert RowScores.right([1, 0]).binary
    assert not scores([(0.5, 1), (1, 1)]).binary
    assert not scores([(1, 2), (0, 2)]).binary


@given(EARNED)
def test_scores_are_the_same_after_they_were_packed(rows: list[tuple[float, float]]) -> None:
    packed_back = scores(rows)
    assert unpacked(packed_back.packed(), len(rows)) == packed_back


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_right_rows_take_a_bit_each(right: list[bool]) -> None:
    packed = RowScores.right(right).packed()
    assert packed.keys() == {"right"}
    unpacked_scores = unpacked(packed, len(right))
    assert unpacked_scores == RowScores.right(right)
    assert hash(unpacked_scores) == hash(RowScores.right(right))


def test_scores_of_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="1 bytes for 100 rows"):
        unpacked(RowScores.right([True]).packed(), 100)
    with pytest.raises(ValueError, match="2 scores for 3 rows"):
        unpacked(scores([(0.5, 1), (1, 1)]).packed(), 3)
    assert unpacked({"right": None}, 3) is None


@pytest.mark.parametrize(
    ("value", "weight", "says"),
    [
        ([], [], "shape"),
        ([1.0], [1.0, 1.0], "shape"),
        ([np.nan], [1.0], "not a finite number"),
        ([-0.5], [1.0], "-0.5"),
    ],
)
def test_what_is_no_score_is_refused(value: list[float], weight: list[float], says: str) -> None:
    with pytest.raises(DataError, match=says):
        RowScores(np.array(value), np.array(weight))


def test_some_of_the_rows_are_scores_too() -> None:
    some = scores([(1, 2), (3, 4), (5, 6)])
    assert some.of(np.array([2, 0])) == scores([(5, 6), (1, 2)])
    assert some.of(np.array([False, True, False])) == scores([(3, 4)])

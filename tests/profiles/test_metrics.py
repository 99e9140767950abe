"""Confusion counts and F1, compared with scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.metrics import confusion, f1_of
from runtimes.errors import DataError
from tests.absent import needs

CLASSES = 4
ROWS = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60
)


@given(ROWS)
def test_agrees_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    needs("sklearn")
    from sklearn.metrics import confusion_matrix, f1_score

    truth, predicted = map(list, zip(*rows, strict=True))
    counts = confusion(truth, predicted, CLASSES)
    assert np.array_equal(counts, confusion_matrix(truth, predicted, labels=range(CLASSES)))
    expected = f1_score(truth, predicted, labels=range(CLASSES), average=None, zero_division=0)
    assert f1_of(counts) == pytest.approx(expected)


def test_f1_is_zero_for_a_class_never_seen() -> None:
    assert f1_of(confusion([0, 0, 1], [0, 1, 1], 3)) == pytest.approx([2 / 3, 2 / 3, 0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: confusion([], [], 4),
        lambda: confusion([1, 2], [1], 4),
        lambda: confusion([[1]], [[1]], 4),
        lambda: confusion([0, 4], [0, 1], 4),
        lambda: confusion([0, -1], [0, 1], 4),
    ],
)
def test_rows_that_make_no_sense_are_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(DataError):
        call()

"""Accuracy, F1 and retention, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.metrics import accuracy, confusion, f1_by_class, f1_macro
from runtimes.errors import DataError

CLASSES = 4
ROWS = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60
)


@given(ROWS)
def test_agrees_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    truth, predicted = map(list, zip(*rows, strict=True))
    assert accuracy(truth, predicted) == pytest.approx(accuracy_score(truth, predicted))
    expected = f1_score(truth, predicted, average="macro", zero_division=0)
    assert f1_macro(truth, predicted, CLASSES) == pytest.approx(expected)
    counts = confusion_matrix(truth, predicted, labels=range(CLASSES))
    assert np.array_equal(confusion(truth, predicted, CLASSES), counts)


def test_f1_by_class_is_zero_for_a_class_never_seen() -> None:
    assert f1_by_class([0, 0, 1], [0, 1, 1], 3) == pytest.approx([2 / 3, 2 / 3, 0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: accuracy([], []),
        lambda: accuracy([1, 2], [1]),
        lambda: accuracy([[1]], [[1]]),
        lambda: confusion([0, 4], [0, 1], 4),
        lambda: confusion([0, -1], [0, 1], 4),
    ],
)
def test_rows_that_make_no_sense_are_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(DataError):
        call()

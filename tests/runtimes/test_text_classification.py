"""Text classification on a device, and what is its alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.artifact import Artifact
from runtimes.errors import AnswerError
from runtimes.predict import Predictor
from runtimes.tasks.text_classification import TextClassification
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


class TestTextClassification(DeviceTaskContract):
    """Hold text classification to the contract."""

    name: ClassVar[str] = "text-classification"
    rows: ClassVar[Sequence[Any]] = (*TEXTS, "", "ça va ? 你好")
    ranked: ClassVar[bool] = True

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make an ONNX classifier."""
        return tiny_onnx(folder)

    def test_the_best_label_has_the_largest_logit(self, predictor: Predictor) -> None:
        for row in self.rows:
            answer = predictor.answer(row)
            assert len(answer) == len(LABELS)
            shown = predictor.task.shown(answer, row, len(LABELS))
            assert shown["label"] == LABELS[answer.index(max(answer))]
            assert sum(one["score"] for one in shown["top"]) == pytest.approx(1, abs=1e-5)
            assert predictor.task.line(shown) == f"{shown['label']}\t{shown['score']:.4f}"

    def test_equal_and_huge_logits_have_scores(self, predictor: Predictor) -> None:
        for height in (0.0, 599.0, 601.0, 3e38, -599.0, -601.0, -3e38):
            even = predictor.task.shown([height] * 3, "x", 0)
            assert even["score"] == pytest.approx(1 / 3, abs=1e-6)
            assert even["label"] == LABELS[0]
        for wide in (1e30, 599.0, 601.0):
            sure = predictor.task.shown([-wide, wide, 0.0], "x", 0)
            assert (sure["label"], sure["score"]) == (LABELS[1], 1.0)

    @given(st.lists(FLOATS, min_size=3, max_size=3))
    def test_scores_are_the_softmax_of_the_logits(self, answer: list[float]) -> None:
        most = max(map(Fraction, answer))
        weights = [math.exp(max(float(Fraction(one) - most), -10_000.0)) for one in answer]
        task = object.__new__(TextClassification)
        task._labels = LABELS
        best = task.shown(answer, "x", 0)
        assert best["score"] == pytest.approx(max(weights) / sum(weights), abs=1e-6)
        assert best["label"] == LABELS[answer.index(max(answer))]
        ranked = task.shown(answer, "x", 3)["top"]
        assert [one["label"] for one in ranked] == [
            LABELS[place] for place in sorted(range(3), key=lambda place: (-answer[place], place))
        ]

    def test_an_answer_that_is_not_a_number_is_refused(self, predictor: Predictor) -> None:
        logits = np.array([[0, np.nan, 0]], dtype=np.float32)
        with pytest.raises(AnswerError, match="numbers that are none: 0, nan, 0"):
            predictor.answer_in({"logits": logits}, {})

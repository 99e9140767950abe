"""Text classification on a device, and what is its alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from runtimes.artifact import Artifact
from runtimes.errors import AnswerError
from runtimes.predict import Predictor
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx


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
            assert answer.shape == (len(LABELS),)
            shown = predictor.task.shown(answer, row, len(LABELS))
            assert shown["label"] == LABELS[int(answer.argmax())]
            assert sum(one["score"] for one in shown["top"]) == pytest.approx(1, abs=1e-5)
            assert predictor.task.line(shown) == f"{shown['label']}\t{shown['score']:.4f}"

    def test_equal_and_huge_logits_have_scores(self, predictor: Predictor) -> None:
        even = predictor.task.shown(np.zeros(3, dtype=np.float32), "x", 0)
        assert even["score"] == pytest.approx(1 / 3, abs=1e-6)
        sure = predictor.task.shown(np.array([0, 1e30, 0], dtype=np.float32), "x", 0)
        assert (sure["label"], sure["score"]) == (LABELS[1], 1.0)

    def test_an_answer_that_is_not_a_number_is_refused(self, predictor: Predictor) -> None:
        logits = np.array([[0, np.nan, 0]], dtype=np.float32)
        with pytest.raises(AnswerError, match="numbers that are none: 0, nan, 0"):
            predictor.answer_in({"logits": logits})

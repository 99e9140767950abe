"""Multi-label classification on a device, and what is its alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runtimes.artifact import Artifact, write_like
from runtimes.predict import Predictor
from runtimes.tasks.multi_label_classification import sigmoid
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx


class TestMultiLabelClassification(DeviceTaskContract):
    """Hold multi-label classification to the contract."""

    name: ClassVar[str] = "multi-label-classification"
    rows: ClassVar[Sequence[Any]] = (*TEXTS, "", "ça va ? 你好")
    ranked: ClassVar[bool] = True

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make an ONNX classifier whose labels are answered one by one."""
        made = dataclasses.replace(tiny_onnx(folder), task="multi-label-classification")
        return write_like(made, folder)

    def test_the_labels_above_0_are_shown_the_surest_first(self, predictor: Predictor) -> None:
        shown = predictor.task.shown([0.5, -1.0, 2.0], "x", 0)
        assert shown == {
            "labels": [
                {"label": LABELS[2], "score": round(1 / (1 + math.exp(-2)), 6)},
                {"label": LABELS[0], "score": round(1 / (1 + math.exp(-0.5)), 6)},
            ],
            "text": "x",
        }
        assert predictor.task.line(shown) == f"{LABELS[2]} 0.8808\t{LABELS[0]} 0.6225"
        none = predictor.task.shown([0.0, -1.0, -2.0], "x", 1)
        assert (none["labels"], predictor.task.line(none)) == ([], "-")
        assert none["top"] == [{"label": LABELS[0], "score": 0.5}]

    def test_huge_logits_have_scores(self) -> None:
        assert sigmoid(3e38) == 1
        assert sigmoid(-3e38) == pytest.approx(0, abs=1e-300)

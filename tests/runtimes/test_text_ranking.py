"""Text ranking on a device, and what is its alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runtimes.artifact import Artifact, write_like
from runtimes.predict import Predictor
from runtimes.runtime import TensorSpec
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny import TEXTS, tiny_onnx


class TestTextRanking(DeviceTaskContract):
    """Hold text ranking to the contract."""

    name: ClassVar[str] = "text-ranking"
    rows: ClassVar[Sequence[Any]] = tuple({"text": TEXTS[0], "text_pair": one} for one in TEXTS)

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make an ONNX model of two classes, the first of a classifier."""
        import onnx
        from onnx import numpy_helper

        made = tiny_onnx(folder)
        model = onnx.load(made.path / "model.onnx")
        head = next(one for one in model.graph.initializer if one.name == "head")
        head.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(head)[:, :2], "head"))
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2
        onnx.save(model, made.path / "model.onnx")
        ranker = dataclasses.replace(
            made,
            task="text-ranking",
            labels=("no", "yes"),
            outputs=(TensorSpec("logits", "float32", ("batch", 2)),),
        )
        return write_like(ranker, folder)

    def test_what_is_shown_is_json_and_a_line(self, predictor: Predictor) -> None:
        """Both texts are shown beside the score."""
        for row in self.rows:
            said = predictor.task.shown(predictor.answer(row), row, 0)
            assert json.loads(json.dumps(said)) == said == {"score": said["score"], **row}
            assert 0 < said["score"] < 1
            assert predictor.task.line(said) == f"{said['score']:.6f}"

    @pytest.mark.parametrize(
        ("answer", "score"),
        [
            ([0.0], 0.5),
            ([-5000.0], 0.0),
            ([5000.0], 1.0),
            ([1.0, 1.0], 0.5),
            ([0.0, 2.0], 0.880797),
        ],
    )
    def test_one_logit_or_the_difference_of_two(
        self, predictor: Predictor, answer: list[float], score: float
    ) -> None:
        assert predictor.task.shown(answer, self.rows[0], 0)["score"] == score

"""Text regression on a device, and what is its alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from runtimes.artifact import Artifact, write_like
from runtimes.predict import Predictor
from runtimes.runtime import TensorSpec
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny import TEXTS, tiny_onnx


class TestTextRegression(DeviceTaskContract):
    """Hold text regression to the contract."""

    name: ClassVar[str] = "text-regression"
    rows: ClassVar[Sequence[Any]] = (*TEXTS, "", "ça va ? 你好")

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make an ONNX model with one output, the first class of a classifier."""
        import onnx
        from onnx import numpy_helper

        made = tiny_onnx(folder)
        model = onnx.load(made.path / "model.onnx")
        head = next(one for one in model.graph.initializer if one.name == "head")
        head.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(head)[:, :1], "head"))
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
        onnx.save(model, made.path / "model.onnx")
        number = dataclasses.replace(
            made,
            task="text-regression",
            labels=("value",),
            outputs=(TensorSpec("logits", "float32", ("batch", 1)),),
        )
        return write_like(number, folder)

    def test_a_number_is_shown_with_float32_s_digits(self, predictor: Predictor) -> None:
        shown = predictor.task.shown([0.10000000149011612], "x", 3)
        assert shown == {"value": 0.1, "text": "x"}
        assert predictor.task.line(shown) == "0.1"
        assert predictor.task.line({"value": 1234567.0}) == "1234567"

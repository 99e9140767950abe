"""Sentence embeddings on a device: a vector is shown as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from runtimes.artifact import Artifact, write_like
from runtimes.predict import Predictor
from runtimes.runtime import TensorSpec
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny import TEXTS, tiny_onnx


class TestFeatureExtraction(DeviceTaskContract):
    """Hold sentence embeddings to the contract."""

    name: ClassVar[str] = "feature-extraction"
    rows: ClassVar[Sequence[Any]] = (*TEXTS, "", "ça va ? 你好")

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make an ONNX model whose output is called embedding."""
        import onnx

        made = tiny_onnx(folder)
        model = onnx.load(made.path / "model.onnx")
        old, new = model.graph.output[0].name, "embedding"
        model.graph.output[0].name = new
        for node in model.graph.node:
            node.output[:] = [new if name == old else name for name in node.output]
        onnx.save(model, made.path / "model.onnx")
        width = len(made.labels)
        vector = dataclasses.replace(
            made,
            task="feature-extraction",
            labels=tuple(map(str, range(width))),
            outputs=(TensorSpec(new, "float32", ("batch", width)),),
        )
        return write_like(vector, folder)

    def test_a_vector_is_shown_exactly(self, predictor: Predictor) -> None:
        vector = [0.10000000149011612, -2.0]
        shown = predictor.task.shown(vector, "x", 3)
        assert shown == {"embedding": vector, "text": "x"}
        assert json.loads(predictor.task.line(shown)) == vector

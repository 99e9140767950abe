"""Sentence embeddings on a device: a vector is shown as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from runtimes.artifact import Artifact
from runtimes.predict import Predictor
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny import TEXTS, tiny_vector


class TestFeatureExtraction(DeviceTaskContract):
    """Hold sentence embeddings to the contract."""

    name: ClassVar[str] = "feature-extraction"
    rows: ClassVar[Sequence[Any]] = (*TEXTS, "", "ça va ? 你好")

    @staticmethod
    def make(folder: Path) -> Artifact:
        return tiny_vector(folder)

    def test_a_vector_is_shown_exactly(self, predictor: Predictor) -> None:
        vector = [0.10000000149011612, -2.0]
        shown = predictor.task.shown(vector, "x", 3)
        assert shown == {"embedding": vector, "text": "x"}
        assert json.loads(predictor.task.line(shown)) == vector

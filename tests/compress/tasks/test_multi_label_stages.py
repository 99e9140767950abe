"""Multi-label classification through every stage, on a tiny model that learns its labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from compress.explain.explanation import Explanation
from compress.models.teacher import open_model
from runtimes.errors import UnsupportedError
from tests.compress.tasks.contract_stages import StagesContract
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_labels import LABELS, labeled_rows


class TestMultiLabelStages(StagesContract):
    """Hold multi-label classification to the contract."""

    name: ClassVar[str] = "multi-label-classification"
    method: ClassVar[str] = "probe-then-full"
    quantized = (
        ("onnx", {"scheme": "int8-dynamic", "weights": "int4"}),
        ("onnx", {"scheme": "int8-static"}),
        ("openvino", {"scheme": "int8-dynamic"}),
    )
    budgets: ClassVar[Mapping[str, float]] = {
        "f1": 0.3,
        "f1_retention": 0.5,
        "worst_label_recall_retention": 0.3,
        "mean_average_precision": 0.3,
    }
    explained: ClassVar[str] = "f1_retention"
    text: ClassVar[str] = "refund my card and the screen is broken"

    @staticmethod
    def rows(count: int, seed: int) -> list[dict[str, Any]]:
        """Return texts that say up to three things."""
        return labeled_rows(count, seed)

    def check_explained(self, said: Explanation) -> None:
        """Every label is named, and nothing is lost beside itself."""
        assert said.figures["f1"] == said.figures["reference_f1"] > 0.5
        labels, kept = said.tables
        assert {row["label"] for row in labels.to_json()} == set(LABELS)
        assert sum(row["missed"] for row in labels.to_json()) == said.figures["missed"]
        assert all(row["recall_retention"] == 1 for row in kept.to_json())

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """The labels are those of the rows."""
        assert {one["label"] for one in shown["labels"]} <= set(LABELS)

    def test_a_teacher_s_folder_says_that_a_text_has_several_labels(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        assert bench.teacher is not None
        folder = tmp_path / "plain"
        folder.mkdir()
        for file in bench.teacher.path.iterdir():
            if file.name != "artifact.json" and file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
        opened = open_model(str(folder), task=None)
        assert (opened.task, opened.labels) == (self.name, LABELS)
        assert open_model(str(folder), task="multi-label").task == self.name
        with pytest.raises(UnsupportedError, match="multi_label_classification head") as caught:
            open_model(str(folder), task="text-classification")
        assert self.name in (caught.value.action or "")

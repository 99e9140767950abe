"""Token classification through every stage, on a tiny model that learns its entities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from compress.data.dataset import DataSettings
from compress.explain.explanation import Explanation
from compress.export.stage import Export
from compress.sensitivity.sensitivity import SensitivityRequest, sensitivity
from tests.compress.tasks.contract_every_token import EveryTokenContract
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_tags import tagged_rows, write_jsonl

LABELS = ("O", "B-thing", "I-thing", "B-who", "I-who")


class TestTokenStages(EveryTokenContract):
    """Hold token classification to the contract."""

    name: ClassVar[str] = "token-classification"
    labels: ClassVar[tuple[str, ...]] = LABELS
    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    settings: ClassVar[Mapping[str, Any]] = {"text": "tokens", "label": "tags"}
    quantized = (
        ("onnx", {"scheme": "int8-dynamic"}),
        ("onnx", {"scheme": "int8-static"}),
        ("openvino", {"scheme": "int8-static"}),
    )
    budgets: ClassVar[Mapping[str, float]] = {
        "f1": 0.3,
        "f1_retention": 0.5,
        "worst_type_recall_retention": 0.3,
    }
    explained: ClassVar[str] = "f1_retention"
    text: ClassVar[str] = "please refund Ann for the card"

    @staticmethod
    def rows(count: int, seed: int) -> list[dict[str, Any]]:
        """Return sentences with names and things."""
        return tagged_rows(count, seed)

    def check_explained(self, said: Explanation) -> None:
        """Every type is named, and nothing is lost beside itself."""
        assert said.figures["f1"] == said.figures["reference_f1"] > 0.5
        types, kept = said.tables
        assert {row["type"] for row in types.to_json()} <= {"thing", "who"}
        assert sum(row["missed"] for row in types.to_json()) == said.figures["missed"]
        assert all(row["recall_retention"] == 1 for row in kept.to_json())

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """A span is a part of the text."""
        (span, *_) = shown["spans"]
        assert span["text"] in self.text

    def test_an_output_is_a_logit_for_each_word_and_label(self, bench: Bench) -> None:
        teacher = bench.teacher
        assert teacher is not None
        assert teacher.labels == LABELS
        assert teacher.history[-1].metrics["validation_f1"] > 0.5
        made = bench.run(Export(format="onnx"), teacher, "shaped")
        assert made.outputs[0].shape == ("batch", "sequence", len(LABELS))

    def test_layers_and_types_are_ranked_by_entity_f1(self, bench: Bench) -> None:
        assert bench.teacher is not None
        write_jsonl(bench.folder / "ranked.jsonl", self.rows(60, 4))
        data = DataSettings(train=(), test=(str(bench.folder / "ranked.jsonl"),), **self.settings)
        path = str(bench.teacher.path)
        found = sensitivity(SensitivityRequest(model=path, reference=path, data=data, rows=30))
        assert found.figures["f1"] == found.figures["reference_f1"] > 0.5
        types, layers = found.tables
        assert {row["label"] for row in types.to_json()} == {"thing", "who"}
        assert all(0 <= row["f1"] <= 1 for row in layers.to_json())
        assert "entity F1" in found.text("sensitivity")

"""Question answering through every stage, on a tiny model that learns who, what and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from compress.data.dataset import DataSettings
from compress.explain.explanation import Explanation
from compress.export.stage import Export
from compress.models.teacher import open_model
from compress.sensitivity.sensitivity import SensitivityRequest, sensitivity
from tests.compress.tasks.contract_every_token import EveryTokenContract
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_questions import question_rows
from tests.compress.tiny_tags import write_jsonl

LABELS = ("start", "end")


class TestQuestionStages(EveryTokenContract):
    """Hold question answering to the contract."""

    name: ClassVar[str] = "question-answering"
    labels: ClassVar[tuple[str, ...]] = LABELS
    auto_class: ClassVar[str] = "AutoModelForQuestionAnswering"
    quantized = (
        ("onnx", {"scheme": "int8-dynamic"}),
        ("onnx", {"scheme": "int8-static"}),
        ("openvino", {"scheme": "int8-static"}),
    )
    run_epochs: ClassVar[int] = 16
    budgets: ClassVar[Mapping[str, float]] = {
        "f1": 0.3,
        "exact_match": 0.2,
        "f1_retention": 0.4,
        "worst_question_retention": 0.1,
    }
    explained: ClassVar[str] = "f1_retention"
    text: ClassVar[str] = json.dumps(
        {"question": "who is it about ?", "context": "please refund Ann for the card in Bonn now"}
    )

    @staticmethod
    def rows(count: int, seed: int) -> list[dict[str, Any]]:
        """Return questions about names, things and places."""
        return question_rows(count, seed)

    def check_explained(self, said: Explanation) -> None:
        """Every kind is named, and nothing is lost beside itself."""
        assert said.figures["f1"] == said.figures["reference_f1"] > 0.5
        kinds, rows, kept = said.tables
        assert {row["kind"] for row in kinds.to_json()} == {"who", "what", "where"}
        assert len(rows.to_json()) <= said.figures["partly"] + said.figures["wrong"]
        assert all(row["retention"] == 1 for row in kept.to_json())

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """The answer is a part of the context."""
        assert shown["answer"] == shown["context"][shown["start"] : shown["end"]]
        assert 0 <= shown["score"] <= 1

    def test_an_output_is_a_start_and_an_end_logit_for_each_token(self, bench: Bench) -> None:
        teacher = bench.teacher
        assert teacher is not None
        assert teacher.labels == LABELS
        made = bench.run(Export(format="onnx"), teacher, "shaped")
        assert made.outputs[0].shape == ("batch", "sequence", 2)

    def test_layers_and_kinds_are_ranked_by_answer_f1(self, bench: Bench) -> None:
        assert bench.teacher is not None
        write_jsonl(bench.folder / "ranked.jsonl", self.rows(60, 4))
        data = DataSettings(train=(), test=(str(bench.folder / "ranked.jsonl"),))
        path = str(bench.teacher.path)
        found = sensitivity(SensitivityRequest(model=path, reference=path, data=data, rows=30))
        assert found.figures["f1"] == found.figures["reference_f1"] > 0.5
        kinds, layers = found.tables
        assert {row["label"] for row in kinds.to_json()} == {"who", "what", "where"}
        assert all(0 <= row["f1"] <= 1 for row in layers.to_json())
        assert "answer F1" in found.text("sensitivity")

    def test_a_transformers_folder_is_opened_as_this_task(
        self, bench: Bench, tmp_path: Path
    ) -> None:
        assert bench.teacher is not None
        folder = tmp_path / "plain"
        folder.mkdir()
        for file in bench.teacher.path.iterdir():
            if file.name != "artifact.json" and file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config["id2label"] = {"0": "LABEL_0", "1": "LABEL_1"}
        config["label2id"] = {"LABEL_0": 0, "LABEL_1": 1}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        opened = open_model(str(folder), task=None)
        assert (opened.task, opened.labels) == (self.name, LABELS)

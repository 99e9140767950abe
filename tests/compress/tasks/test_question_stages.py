"""Question answering through every stage, on a tiny model that learns who, what and where."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from compress.data.dataset import DataSettings
from compress.distill.stage import Distill
from compress.explain.explanation import Explanation
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.models.architectures import FULL
from compress.models.outline import outline_of
from compress.models.teacher import open_model
from compress.models.torch_model import load_model
from compress.prune.slicing import prune_heads
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from compress.sensitivity.sensitivity import SensitivityRequest, sensitivity
from runtimes.artifact import read_artifact
from runtimes.errors import UnsupportedError
from tests.compress.tasks.contract_stages import StagesContract
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_models import make_model
from tests.compress.tiny_questions import question_rows
from tests.compress.tiny_tags import write_jsonl

LABELS = ("start", "end")


class TestQuestionStages(StagesContract):
    """Hold question answering to the contract."""

    name: ClassVar[str] = "question-answering"
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

    def test_what_reads_one_token_alone_is_refused_before_any_work(self, bench: Bench) -> None:
        assert bench.teacher is not None
        outline = outline_of(bench.teacher)
        exported = dataclasses.replace(outline, format="onnx")
        for stage, source in (
            (Quantize(scheme="int8-dynamic", weights="int4"), exported),
            (Distill(layers=1, quantization_aware=["weights"]), outline),
            (Finetune(method="frozen"), outline),
        ):
            with pytest.raises(UnsupportedError, match="question-answering"):
                stage.check(source)

    @pytest.mark.parametrize("model_type", sorted(FULL))
    def test_every_architecture_is_pruned_saved_and_exported(
        self, model_type: str, tmp_path: Path
    ) -> None:
        """A model with fewer heads and a narrower stream answers the same in torch and in ONNX."""
        source = make_model(tmp_path / "model", model_type)
        model = load_model(source.path, self.name, labels=LABELS)
        heads = model.config.num_attention_heads
        prune_heads(model, [np.arange(heads // 2)] * model.config.num_hidden_layers)
        (name,) = model.config.auto_map
        assert name == "AutoModelForQuestionAnswering"
        bench = self.bench_of(tmp_path, 80)
        plain = dataclasses.replace(read_artifact(source.path), task=self.name)
        bench.teacher = bench.run(Finetune(epochs=1), plain, "teacher")
        cut = Prune(heads=0.5, hidden=3 * (model.config.hidden_size // heads), recovery_epochs=0)
        pruned = bench.run(cut, bench.teacher, "pruned")
        exported = bench.run(Export(format="onnx"), pruned, "onnx")
        for one, other in zip(bench.answers(exported), bench.answers(pruned), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)

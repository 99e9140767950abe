"""Token classification through every stage, on a tiny model that learns its entities."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from compress.answers.folder import folder_answers
from compress.answers.trained import trained_answers
from compress.data.dataset import DataSettings, load_dataset
from compress.distill.stage import Distill
from compress.explain.explain import explain
from compress.explain.question import Question
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.models.architectures import FULL
from compress.models.outline import outline_of
from compress.models.torch_model import load_model
from compress.prune.slicing import prune_heads
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from compress.sensitivity.sensitivity import SensitivityRequest, sensitivity
from compress.tasks.token_classification import TokenClassification
from runtimes.artifact import read_artifact
from runtimes.errors import UnsupportedError
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_models import make_model
from tests.compress.tiny_tags import tagged_rows, write_inputs, write_jsonl

TASK = TokenClassification()
LABELS = ("O", "B-thing", "I-thing", "B-who", "I-who")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("tags")
    write_jsonl(folder / "rows.jsonl", tagged_rows(400, 1))
    settings = DataSettings(train=("rows.jsonl",), text="tokens", label="tags")
    made = Bench(load_dataset(settings, folder, 7, TASK), folder)
    source = make_model(folder / "model", "bert")
    source = dataclasses.replace(read_artifact(source.path), task="token-classification")
    stage = Finetune(epochs=6, learning_rate=2e-3, patience=None)
    made.teacher = made.run(stage, source, "teacher")
    return made


def test_every_stage_keeps_the_entities(bench: Bench) -> None:
    teacher = bench.teacher
    assert teacher is not None
    assert teacher.labels == LABELS
    assert teacher.history[-1].metrics["validation_f1"] > 0.5
    learned = bench.score(teacher)
    assert learned > 0.9
    student = bench.run(Distill(layers=1, augment=1, epochs=6), teacher, "student")
    assert bench.score(student) > 0.9 * learned
    cut = Prune(ffn=0.5, heads=0.5, hidden=32, vocabulary=True, recovery_epochs=6)
    pruned = bench.run(cut, student, "pruned")
    assert bench.score(pruned) > 0.8 * learned
    for export, schemes in (
        (Export(format="onnx"), ("int8-dynamic", "int8-static")),
        (Export(format="openvino"), ("int8-static",)),
    ):
        form = export.format
        made = bench.run(export, pruned, form)
        assert made.outputs[0].shape == ("batch", "sequence", len(LABELS))
        assert bench.score(made) == pytest.approx(bench.score(pruned))
        for scheme in schemes:
            small = bench.run(Quantize(scheme=scheme, max_drop=0.1), made, f"{form}-{scheme}")
            assert bench.score(small) > 0.9 * bench.score(made)


def test_a_loss_of_entities_is_explained_by_types(bench: Bench) -> None:
    assert bench.teacher is not None
    made = bench.run(Export(format="onnx"), bench.teacher, "explained")
    folder = bench.folder
    write_jsonl(folder / "asked.jsonl", tagged_rows(60, 3))
    data = DataSettings(train=(), test=(str(folder / "asked.jsonl"),), text="tokens", label="tags")
    said = explain(Question("f1_retention", made, data=data, reference=made))
    assert said.figures["f1"] == said.figures["reference_f1"] > 0.5
    types, kept = said.tables
    assert {row["type"] for row in types.to_json()} <= {"thing", "who"}
    missed = sum(row["missed"] for row in types.to_json())
    assert missed == said.figures["missed"]
    assert all(row["recall_retention"] == 1 for row in kept.to_json())


def test_layers_and_types_are_ranked_by_entity_f1(bench: Bench) -> None:
    assert bench.teacher is not None
    write_jsonl(bench.folder / "ranked.jsonl", tagged_rows(60, 4))
    rows = (str(bench.folder / "ranked.jsonl"),)
    data = DataSettings(train=(), test=rows, text="tokens", label="tags")
    path = str(bench.teacher.path)
    found = sensitivity(SensitivityRequest(model=path, reference=path, data=data, rows=30))
    assert found.figures["f1"] == found.figures["reference_f1"] > 0.5
    types, layers = found.tables
    assert {row["label"] for row in types.to_json()} == {"thing", "who"}
    assert all(0 <= row["f1"] <= 1 for row in layers.to_json())
    assert "entity F1" in found.text("sensitivity")


def test_what_reads_one_token_alone_is_refused_before_any_work(bench: Bench) -> None:
    assert bench.teacher is not None
    outline = outline_of(bench.teacher)
    exported = dataclasses.replace(outline, format="onnx")
    for stage, source in (
        (Quantize(scheme="int8-dynamic", weights="int4"), exported),
        (Distill(layers=1, quantization_aware=["weights"]), outline),
        (Finetune(method="frozen"), outline),
    ):
        with pytest.raises(UnsupportedError, match="token-classification"):
            stage.check(source)


@pytest.mark.parametrize("model_type", sorted(FULL))
def test_every_architecture_is_pruned_saved_and_exported(model_type: str, tmp_path: Path) -> None:
    """A model with fewer heads and a narrower stream answers the same in torch and in ONNX."""
    source = make_model(tmp_path / "model", model_type)
    model = load_model(source.path, "token-classification", labels=LABELS)
    heads = model.config.num_attention_heads
    prune_heads(model, [np.arange(heads // 2)] * model.config.num_hidden_layers)
    (name,) = model.config.auto_map
    assert name == "AutoModelForTokenClassification"
    write_jsonl(tmp_path / "rows.jsonl", tagged_rows(80, 1))
    settings = DataSettings(train=("rows.jsonl",), text="tokens", label="tags")
    bench = Bench(load_dataset(settings, tmp_path, 7, TASK), tmp_path)
    plain = dataclasses.replace(read_artifact(source.path), task="token-classification")
    bench.teacher = bench.run(Finetune(epochs=1), plain, "teacher")
    width = model.config.hidden_size // heads
    cut = Prune(heads=0.5, hidden=3 * width, recovery_epochs=0)
    pruned = bench.run(cut, bench.teacher, "pruned")
    exported = bench.run(Export(format="onnx"), pruned, "onnx")
    rows = bench.data.test.inputs
    known = trained_answers(pruned, rows)
    for one, other in zip(folder_answers(exported, exported.path, rows), known, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.slow
def test_a_run_reports_entity_f1_and_its_bundle_is_gated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from compress.cli.main import run

    recipe, out = write_inputs(tmp_path), tmp_path / "out"
    assert run(["run", str(recipe), "--out", str(out), "--tier", "quick"]) in (0, 1, 3)
    said = capsys.readouterr().out
    assert "entity F1" in said
    assert "accuracy" not in said
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    summary = report["summary"]
    assert summary["model"]["score_name"] == "entity F1"
    assert summary["model"]["accuracy"] is None
    kept = summary["model"]["f1"] / summary["teacher"]["f1"]
    assert summary["retention"]["value"] == pytest.approx(kept, rel=1e-3)
    rows = ["--data", str(tmp_path / "test.jsonl"), "--text", "tokens", "--label", "tags"]
    gate = ["gate", str(out / "bundle"), "--reference", str(out / "01-finetune"), *rows]
    budgets = ["f1=0.3", "f1_retention=0.5", "worst_type_recall_retention=0.3"]
    limits = [part for budget in budgets for part in ("--budget", budget)]
    run([*gate, *limits, "--tier", "quick", "--json"])
    checks = json.loads(capsys.readouterr().out)["verdicts"][0]["checks"]
    judged = {check["metric"]: check["status"] for check in checks}
    for budget in budgets:
        assert judged[budget.split("=")[0]] == "PASS", checks
    assert not any(metric.startswith("accuracy") for metric in judged)
    assert run(["predict", str(out / "bundle"), "please refund Ann for the card", "--json"]) == 0
    (span, *_) = json.loads(capsys.readouterr().out)["spans"]
    assert span["text"] in "please refund Ann for the card"

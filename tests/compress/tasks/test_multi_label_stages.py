"""Multi-label classification through every stage, on a tiny model that learns its labels."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from compress.data.dataset import DataSettings, load_dataset
from compress.distill.stage import Distill
from compress.explain.explain import explain
from compress.explain.question import Question
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.models.architectures import FULL, PARTIAL
from compress.models.teacher import open_model
from compress.prune.stage import Prune
from compress.quantize.stage import Quantize
from compress.tasks import task_of
from runtimes.artifact import read_artifact
from runtimes.errors import UnsupportedError
from tests.compress.tasks.stage_bench import Bench
from tests.compress.tiny_labels import LABELS, labeled_rows, write_inputs
from tests.compress.tiny_models import make_model
from tests.compress.tiny_tags import write_jsonl

TASK = "multi-label-classification"


def _bench(folder: Path, count: int) -> Bench:
    write_jsonl(folder / "rows.jsonl", labeled_rows(count, 1))
    return Bench(
        load_dataset(DataSettings(train=("rows.jsonl",)), folder, 7, task_of(TASK)), folder
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = _bench(tmp_path_factory.mktemp("labels"), 400)
    source = read_artifact(make_model(made.folder / "model", "bert").path)
    stage = Finetune(method="probe-then-full", epochs=6, learning_rate=2e-3, patience=None)
    made.teacher = made.run(stage, dataclasses.replace(source, task=TASK), "teacher")
    return made


def test_every_stage_keeps_the_labels(bench: Bench) -> None:
    teacher = bench.teacher
    assert teacher is not None
    assert teacher.labels == LABELS
    learned = bench.score(teacher)
    assert learned > 0.9
    student = bench.run(Distill(layers=1, augment=1, epochs=6), teacher, "student")
    assert bench.score(student) > 0.9 * learned
    cut = Prune(ffn=0.5, heads=0.5, hidden=32, vocabulary=True, recovery_epochs=6)
    pruned = bench.run(cut, student, "pruned")
    assert bench.score(pruned) > 0.7 * learned
    exported = bench.run(Export(format="onnx"), pruned, "pruned-onnx")
    assert bench.score(exported) == pytest.approx(bench.score(pruned))
    for export, quantized in (
        (Export(format="onnx"), {"scheme": "int8-dynamic", "weights": "int4"}),
        (Export(format="openvino"), {"scheme": "int8-dynamic"}),
    ):
        name = f"{export.format}-{quantized['scheme']}"
        made = bench.run(export, student, name)
        assert bench.score(made) == pytest.approx(bench.score(student))
        small = bench.run(Quantize(max_drop=0.1, **quantized), made, f"{name}-small")  # type: ignore[arg-type]
        assert bench.score(small) > 0.9 * bench.score(made)


def test_a_loss_of_labels_is_explained_by_labels(bench: Bench) -> None:
    assert bench.teacher is not None
    made = bench.run(Export(format="onnx"), bench.teacher, "explained")
    write_jsonl(bench.folder / "asked.jsonl", labeled_rows(60, 3))
    data = DataSettings(train=(), test=(str(bench.folder / "asked.jsonl"),))
    said = explain(Question("f1_retention", made, data=data, reference=made))
    assert said.figures["f1"] == said.figures["reference_f1"] > 0.5
    labels, kept = said.tables
    assert {row["label"] for row in labels.to_json()} == set(LABELS)
    assert sum(row["missed"] for row in labels.to_json()) == said.figures["missed"]
    assert all(row["recall_retention"] == 1 for row in kept.to_json())


def test_a_teacher_s_folder_says_that_a_text_has_several_labels(
    bench: Bench, tmp_path: Path
) -> None:
    assert bench.teacher is not None
    folder = tmp_path / "plain"
    folder.mkdir()
    for file in bench.teacher.path.iterdir():
        if file.name != "artifact.json" and file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    opened = open_model(str(folder), task=None)
    assert (opened.task, opened.labels) == (TASK, LABELS)
    assert open_model(str(folder), task="multi-label").task == TASK
    with pytest.raises(UnsupportedError, match="multi_label_classification head") as caught:
        open_model(str(folder), task="text-classification")
    assert TASK in (caught.value.action or "")


@pytest.mark.parametrize("model_type", sorted({*FULL, *PARTIAL}))
def test_every_architecture_learns_and_is_exported(model_type: str, tmp_path: Path) -> None:
    bench = _bench(tmp_path, 60)
    source = read_artifact(make_model(tmp_path / "model", model_type, layers=1).path)
    teacher = bench.run(Finetune(epochs=1), dataclasses.replace(source, task=TASK), "teacher")
    exported = bench.run(Export(format="onnx"), teacher, "onnx")
    for one, other in zip(bench.answers(exported), bench.answers(teacher), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.slow
def test_a_run_reports_micro_f1_and_its_bundle_is_gated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from compress.cli.main import run

    recipe, out = write_inputs(tmp_path), tmp_path / "out"
    assert run(["run", str(recipe), "--out", str(out), "--tier", "quick"]) in (0, 1, 3)
    said = capsys.readouterr().out
    assert "micro F1" in said
    assert "accuracy" not in said
    summary = json.loads((out / "report.json").read_text(encoding="utf-8"))["summary"]
    assert summary["model"]["score_name"] == "micro F1"
    kept = summary["model"]["f1"] / summary["teacher"]["f1"]
    assert summary["retention"]["value"] == pytest.approx(kept, rel=1e-3)
    rows = ["--data", str(tmp_path / "test.jsonl")]
    gate = ["gate", str(out / "bundle"), "--reference", str(out / "01-finetune"), *rows]
    budgets = ["f1=0.3", "f1_retention=0.5", "worst_label_recall_retention=0.3"]
    budgets.append("mean_average_precision=0.3")
    limits = [part for budget in budgets for part in ("--budget", budget)]
    run([*gate, *limits, "--tier", "quick", "--json"])
    checks = json.loads(capsys.readouterr().out)["verdicts"][0]["checks"]
    judged = {check["metric"]: check["status"] for check in checks}
    for budget in budgets:
        assert judged[budget.split("=")[0]] == "PASS", checks
    text = "refund my card and the screen is broken"
    assert run(["predict", str(out / "bundle"), text, "--top", "2", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {one["label"] for one in shown["labels"]} <= set(LABELS)
    assert len(shown["top"]) == 2

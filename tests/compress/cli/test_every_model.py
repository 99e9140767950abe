"""Every command that takes a model takes a bundle and what other tools wrote, or says why not."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from compress.cli.main import run
from runtimes.artifact import read_artifact
from tests.compress.brief_tier import shorten
from tests.compress.importing.exported import openvino_folder
from tests.compress.tiny_models import LABELS, make_data, make_trained_model

MODELS = ("bundle", "optimum", "olive", "openvino")
TIMED = [
    *("bundle", "openvino"),
    *(pytest.param(model, marks=pytest.mark.slow) for model in ("optimum", "olive")),
]
"""Timing all of them takes minutes."""

BESIDE = "--data test.csv --tier quick --profile beyond.toml -q"
BEYOND = """
schema = 1
name = "beyond"
[budgets]
speedup = {min = 1000}
artifact_ratio = {max = 0.001}
"""
"""The size decides, whatever the times are."""

Ask = Callable[..., str]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a trained teacher, its rows and export, and the models of MODELS, each with litter."""
    folder = tmp_path_factory.mktemp("shelf")
    teacher = make_trained_model(folder / "teacher").path
    data = make_data()
    for name, rows in (("train", data.train), ("test", data.test)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            lines = ((t, LABELS[n]) for t, n in zip(rows.inputs, rows.targets, strict=True))
            csv.writer(stream).writerows([("text", "label"), *lines])
    assert run(["export", str(teacher), "--out", str(folder / "onnx"), "-q"]) == 0
    assert run(["bundle", str(folder / "onnx"), "--out", str(folder / "bundle")]) == 0
    (folder / "beyond.toml").write_text(BEYOND, encoding="utf-8")
    _theirs(folder)
    for name in MODELS[1:]:
        source, out = folder / f"their-{name}", folder / name
        tokenizer = ["--tokenizer", str(teacher)] if name == "olive" else []
        assert run(["import", str(source), "--out", str(out), "-q", *tokenizer]) == 0
    for name in MODELS:
        (folder / name / ".DS_Store").write_bytes(b"\0")
        (folder / name / "README.md").write_text("mine")
        (folder / name / "notes").mkdir()
        (folder / name / "notes" / "model.onnx").write_text("a draft")
    return folder


def _theirs(folder: Path) -> None:
    """Lay the teacher's export out as optimum, Olive and optimum-intel do."""
    import onnx

    beside = ("config.json", "tokenizer.json", "tokenizer_config.json")
    for name in MODELS[1:]:
        (folder / f"their-{name}").mkdir()
    for name in ("optimum", "openvino"):
        for file in beside:
            shutil.copyfile(folder / "teacher" / file, folder / f"their-{name}" / file)
    exported = folder / "onnx" / "model.onnx"
    shutil.copyfile(exported, folder / "their-optimum" / "model.onnx")
    openvino_folder(onnx.load(exported), folder / "their-openvino")
    olive = folder / "their-olive"
    onnx.save(
        onnx.load(exported),
        olive / "model.onnx",
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=1024,
    )
    config = json.loads((folder / "teacher" / "config.json").read_text(encoding="utf-8"))
    content = {"type": "ONNXModel", "config": {"model_attributes": config}}
    (olive / "model_config.json").write_text(json.dumps(content))


@pytest.fixture
def ask(shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return what runs a command line among the models; it gives what was printed on stdout."""
    monkeypatch.chdir(shelf)

    def answer(line: str, *codes: int) -> str:
        code = run(line.split())
        printed = capsys.readouterr()
        assert code in (codes or (0,)), printed.err
        return printed.err if code == 2 else printed.out

    return answer


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict {} refund", "\t"),
        ("budget explain artifact_mb {}", "model."),
        ("budget explain accuracy {} --data test.csv --reference onnx", "reference F1"),
        ("sensitivity {} --reference onnx --data test.csv --rows 30 -q", "retention"),
        ("bundle {} --out new --data test.csv", "new  "),
        ("quantize {} --out new --train train.csv -q", "int8"),
    ],
)
def test_what_needs_no_timing(ask: Ask, shelf: Path, line: str, model: str, said: str) -> None:
    assert said in ask(line.format(model))
    if (shelf / "new").is_dir():
        made = read_artifact(shelf / "new")
        made.verify()
        assert not [name for name in made.files if "notes" in name or name == "README.md"]
        shutil.rmtree(shelf / "new")


@pytest.mark.measured
@pytest.mark.parametrize("model", TIMED)
@pytest.mark.parametrize(
    ("line", "codes", "said"),
    [
        ("gate {} --data test.csv --tier quick --budget accuracy=0.5 -q", (0,), "PASS"),
        (f"gate {{}} --reference onnx {BESIDE}", (1,), "artifact_ratio"),
        (f"gate onnx --reference {{}} {BESIDE}", (1,), "artifact_ratio"),
        (f"validate {{}} --reference onnx {BESIDE}", (1,), "classes"),
        (f"validate onnx --reference {{}} {BESIDE}", (1,), "classes"),
    ],
)
def test_what_judges_by_a_process(
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    line: str,
    codes: tuple[int, ...],
    said: str,
) -> None:
    shorten(monkeypatch)
    assert said in ask(line.format(model), *codes)


@pytest.mark.measured
@pytest.mark.parametrize("model", TIMED)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("baseline save {} --data test.csv --tier quick --out new.json -q", "latency_p50_ms"),
        ("budget suggest {} --data test.csv --tier quick -q", "[budgets]"),
        ("budget explain latency_p50_ms {} --data test.csv -q", "p50"),
        ("doctor --noise --model {} --data test.csv --seconds 1 -q", "against itself"),
    ],
)
def test_what_times_processes(ask: Ask, model: str, line: str, said: str) -> None:
    assert said in ask(line.format(model))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["distill", "prune", "finetune"])
def test_what_works_on_torch_models_says_so(ask: Ask, model: str, kind: str) -> None:
    said = ask(f"{kind} {model} --out new --train train.csv -q", 2)
    assert "expected:  huggingface" in said
    assert f"give the torch model that it was exported from: {kind} works on that" in said


@pytest.mark.parametrize("model", MODELS[:3])
def test_an_onnx_model_is_exported_to_openvino(ask: Ask, shelf: Path, model: str) -> None:
    assert "openvino fp32" in ask(f"export {model} --out new-{model} --set format=openvino -q")
    assert "export of format 'onnx' to itself" in ask(f"export {model} --out other -q", 2)


def test_an_ir_is_not_exported(ask: Ask) -> None:
    assert "expected:  huggingface or onnx" in ask("export openvino --out new -q", 2)


@pytest.mark.parametrize("model", MODELS)
def test_a_changed_file_is_found_before_anything_is_measured(
    ask: Ask, shelf: Path, model: str
) -> None:
    shutil.rmtree(shelf / "changed", ignore_errors=True)
    shutil.copytree(shelf / model, shelf / "changed")
    (shelf / "changed" / "tokenizer.json").write_text("{}")
    for line in (
        "gate changed --data test.csv --budget artifact_mb=9 -q",
        "gate onnx --data test.csv --reference changed -q",
        "validate changed --data test.csv --reference onnx -q",
        "baseline save changed --data test.csv --out new.json -q",
        "sensitivity changed --data test.csv --reference onnx -q",
        "doctor --noise --model changed --data test.csv --seconds 1 -q",
        "budget explain artifact_mb changed",
        "quantize changed --out new --train train.csv -q",
        "bundle changed --out new",
        "predict changed hello",
        "verify changed",
    ):
        assert "tokenizer.json has 2 bytes in place of" in ask(line, 2), line

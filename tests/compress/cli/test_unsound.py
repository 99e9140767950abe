"""Models whose answers are none end in FAIL, with the reason, in every command that runs them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from tests.absent import needs
from tests.compress.brief_tier import shorten
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx
from tests.runtimes.unsound import with_head

REASONS = {
    "nan": "numbers that are none: nan, nan, nan",
    "constant": "the same answer to every row",
    "wide": "returned shape (1, 4)",  # the labels are three
}
ALL = " ".join(REASONS)
HUGE = ("--budget", "artifact_mb=999")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a sound `model`, three that are none, and rows; stand beside them."""
    folder = tmp_path_factory.mktemp("unsound")
    tiny_onnx(folder / "model")
    with_head(folder / "nan", float("nan"))
    with_head(folder / "constant", 0.0)
    with_head(folder / "wide", 0.5, columns=4)
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 4)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure in one process: what a model answers is the same in all."""
    shorten(monkeypatch)


@pytest.mark.parametrize(
    ("model", "labels"),
    [
        ("nan", ("--budget", "accuracy=0.01")),
        ("constant", ("--budget", "accuracy=0.01")),
        ("constant", ("--unlabeled",)),
        ("wide", ("--unlabeled",)),
    ],
)
def test_a_gate_fails_however_wide_the_budgets_are(
    ground: Path, capsys: pytest.CaptureFixture[str], model: str, labels: tuple[str, ...]
) -> None:
    rows = ("--data", "rows.csv", "--tier", "quick")
    samples = ("--samples", f"{model}.jsonl")
    code = run(["gate", model, *rows, *HUGE, *labels, *samples, "--json", "-q"])
    report = strict(capsys.readouterr().out)
    assert (code, report["status"], report["exit_code"]) == (1, "FAIL", 1)
    (verdict,) = report["verdicts"]
    assert REASONS[model] in verdict["why"]
    assert report["faults"][0]["unsound"] is True
    judged = ["judge", f"{model}.jsonl", *HUGE, "--json"]
    assert run(judged) == 1
    assert REASONS[model] in strict(capsys.readouterr().out)["verdicts"][0]["why"]


def test_a_reference_whose_answers_are_none_is_bad_input(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ("--data", "rows.csv", "--tier", "quick", "--reference", "nan")
    assert run(["gate", "model", *rows, *HUGE, "--json", "-q"]) == 2
    report = strict(capsys.readouterr().out)
    assert "PASS" not in {verdict["status"] for verdict in report["verdicts"]}
    assert "the reference: " in report["verdicts"][0]["why"]


@pytest.mark.parametrize(
    ("line", "models"),
    [
        ("validate {model} --reference model --data rows.csv --tier quick -q", "nan constant"),
        ("quantize {model} --out out-quantize --train rows.csv --scheme int8-dynamic -q", ALL),
        ("export {model} --out out-export --format openvino -q", ALL),
        ("baseline save {model} --data rows.csv --tier quick --out out-baseline -q", "nan"),
        ("budget suggest {model} --data rows.csv --tier quick -q", "nan"),
        ("predict {model} --rows rows.csv --json", ALL),
    ],
)
def test_every_command_that_runs_it_says_why(
    ground: Path, capsys: pytest.CaptureFixture[str], line: str, models: str
) -> None:
    if "openvino" in line:
        needs("openvino")
    for model in models.split():
        _refuses(ground, capsys, line.format(model=model), REASONS[model])


def _refuses(ground: Path, capsys: pytest.CaptureFixture[str], line: str, why: str) -> None:
    assert run(line.split()) == 1, line
    shown = capsys.readouterr()
    assert why in shown.err
    assert not re.search(r"\b(NaN|Infinity)\b", shown.out)
    assert not list(ground.glob("out-*"))
    assert not list(ground.glob(".out-*"))


def test_a_teacher_of_nan_is_refused_by_its_name(
    teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not by the advice to report its architecture."""
    assert run(["export", "nan-teacher", "--out", "out-nan", "-q"]) == 1
    said = capsys.readouterr().err
    assert "numbers that are none" in said
    assert "architecture" not in said


def test_a_search_with_a_teacher_of_nan_is_refused(
    teacher: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = """schema = 1
name = "nan"
seed = 7
[teacher]
path = "nan-teacher"
[data]
train = "train.csv"
test = "test.csv"
"""
    (teacher / "nan.toml").write_text(recipe)
    assert run(["search", "nan.toml", "--out", "found", "--time", "300s", "-q"]) == 1
    assert "numbers that are none" in capsys.readouterr().err


@pytest.fixture
def teacher(tmp_path: Path) -> Iterator[Path]:
    """Make `nan-teacher`, a transformers folder whose head is NaN, and rows; stand beside them."""
    needs("torch")
    import torch

    from compress.models.torch_model import quiet_transformers
    from tests.compress.text_models import load_model
    from tests.compress.tiny_models import make_data, make_model

    folder = tmp_path / "nan-teacher"
    make_model(folder)
    model = load_model(folder)
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    with quiet_transformers():
        model.save_pretrained(folder)
    (folder / "artifact.json").unlink()
    data = make_data()
    for name, rows in (("train", data.train), ("test", data.test)):
        with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            lines = ((t, data.labels[n]) for t, n in zip(rows.inputs, rows.targets, strict=True))
            csv.writer(stream).writerows([("text", "label"), *lines])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        yield tmp_path


def strict(text: str) -> Any:
    """Return what a JSON text says; raise ValueError for NaN and Infinity, which JSON lacks."""
    return json.loads(text, parse_constant=float_free)


def float_free(name: str) -> float:
    raise ValueError(f"{name} is no JSON")

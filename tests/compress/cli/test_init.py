"""A first recipe: what init finds, writes, refuses, and that its recipe runs as it is."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.recipe import read_recipe
from tests.compress.tiny_models import make_data, make_model

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def place(ground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the teacher and its rows, where commands are typed."""
    shutil.copytree(ground / "teacher", tmp_path / "models" / "teacher")
    (tmp_path / "models" / "teacher" / "artifact.json").unlink()
    (tmp_path / "data").mkdir()
    for name in ("train.csv", "test.csv"):
        shutil.copyfile(ground / name, tmp_path / "data" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*more: str) -> int:
    return run(["init", "models/teacher", "--data", "data/train.csv", *more])


def test_the_recipe_runs_as_it_is(place: Path, capsys: Shown) -> None:
    assert init() == 0
    said = capsys.readouterr().out
    assert "fine-tuned for 3 classes" in said
    assert "data/test.csv, found beside it" in said
    assert "edgepress run recipe.toml --out runs/teacher --dry-run" in said
    kinds = [stage.kind for stage in read_recipe(place / "recipe.toml").stages]
    assert kinds == ["prune", "distill", "quantize"]
    assert run(["run", "recipe.toml", "--out", "runs/teacher", "--dry-run"]) == 0
    assert "distill" in capsys.readouterr().out


def test_the_recipe_may_lie_elsewhere_and_moves_with_what_it_names(place: Path) -> None:
    assert init("--out", "recipes/deep/first.toml") == 0
    recipe = place / "recipes" / "deep" / "first.toml"
    assert "../../models/teacher" in recipe.read_text()
    assert run(["run", str(recipe), "--out", "runs/one", "--dry-run"]) == 0
    shutil.move(place, place.with_name("moved"))
    moved = place.with_name("moved") / "recipes" / "deep" / "first.toml"
    assert run(["run", str(moved), "--out", str(moved.parent / "out"), "--dry-run"]) == 0


def test_a_link_leads_to_the_same_files(place: Path) -> None:
    (place / "blob").write_bytes((place / "data" / "train.csv").read_bytes())
    (place / "data" / "train.csv").unlink()
    (place / "data" / "train.csv").symlink_to("../blob")
    (place / "linked").symlink_to("models/teacher")
    (place / "real").mkdir()
    (place / "here").symlink_to("real")
    out = "here/recipe.toml"
    assert run(["init", "linked", "--data", "data/train.csv", "--out", out]) == 0
    assert run(["run", out, "--out", "runs/one", "--dry-run"]) == 0


def test_every_key_has_a_comment(place: Path) -> None:
    assert init() == 0
    for line in (place / "recipe.toml").read_text().splitlines():
        assert " = " not in line or "  # " in line or line.startswith("kind = "), line


def test_a_model_without_a_head_is_fine_tuned_first(place: Path, capsys: Shown) -> None:
    make_model(place / "models" / "plain", labels=())
    (place / "models" / "plain" / "artifact.json").unlink()
    config = json.loads((place / "models" / "plain" / "config.json").read_text())
    config["architectures"] = ["BertModel"]
    (place / "models" / "plain" / "config.json").write_text(json.dumps(config))
    assert run(["init", "models/plain", "--data", "data/train.csv"]) == 0
    assert "to be fine-tuned" in capsys.readouterr().out
    kinds = [stage.kind for stage in read_recipe(place / "recipe.toml").stages]
    assert kinds == ["finetune", "prune", "distill", "quantize"]
    assert run(["run", "recipe.toml", "--out", "runs/one", "--dry-run"]) == 0


def test_an_architecture_that_cannot_be_cut_is_only_quantized(place: Path) -> None:
    make_model(place / "models" / "modern", "modernbert")
    assert run(["init", "models/modern", "--data", "data/train.csv"]) == 0
    assert [stage.kind for stage in read_recipe(place / "recipe.toml").stages] == ["quantize"]
    assert run(["run", "recipe.toml", "--out", "runs/one", "--dry-run"]) == 0


def _renamed(place: Path, names: dict[str, str]) -> None:
    """Write the training rows with other class names."""
    data = make_data()
    with (place / "data" / "train.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = zip(data.train.inputs, data.train.targets, strict=True)
        lines = ((text, names[data.labels[label]]) for text, label in rows)
        csv.writer(stream).writerows([("text", "label"), *lines])
    (place / "data" / "test.csv").unlink()


def test_rows_of_other_classes_are_refused_in_words(place: Path, capsys: Shown) -> None:
    _renamed(place, {"a": "x", "b": "y", "c": "z"})
    assert init() == 2
    said = capsys.readouterr().err
    assert "only in the data: 'x', 'y', 'z'" in said
    assert "--finetune" in said
    assert not (place / "recipe.toml").exists()
    assert init("--finetune") == 0
    assert read_recipe(place / "recipe.toml").stages[0].kind == "finetune"
    assert run(["run", "recipe.toml", "--out", "runs/one", "--dry-run"]) == 0


def test_classes_may_be_the_head_s_numbers(place: Path) -> None:
    _renamed(place, {"a": "0", "b": "1", "c": "2"})
    assert init() == 0
    assert run(["run", "recipe.toml", "--out", "runs/one", "--dry-run"]) == 0


def test_a_file_is_never_replaced_unless_forced(place: Path, capsys: Shown) -> None:
    (place / "recipe.toml").write_text("mine")
    assert init() == 2
    assert "--force" in capsys.readouterr().err
    assert (place / "recipe.toml").read_text() == "mine"
    assert init("--force") == 0
    assert read_recipe(place / "recipe.toml").name == "teacher"


def test_a_profile_decides_format_and_scheme(place: Path, capsys: Shown) -> None:
    profile = place / "npu.toml"
    profile.write_text(
        'schema = 1\nname = "npu"\n[runtime]\nname = "openvino"\n[quantization]\n'
        'scheme = "int8-static"\n[budgets]\nartifact_mb = {max = 9}\n'
    )
    assert init("--profile", "npu.toml") == 0
    recipe = read_recipe(place / "recipe.toml")
    assert recipe.export.formats == ("openvino",)
    assert recipe.stages[-1].scheme == "int8-static"  # type: ignore[attr-defined]
    assert run(["run", "recipe.toml", "--out", "runs/one", "--dry-run"]) == 0
    capsys.readouterr()
    assert init("--profile", "npu", "--force") == 2
    assert "unknown profile" in capsys.readouterr().err


def test_what_was_found_as_json(place: Path, capsys: Shown) -> None:
    assert init("--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["label"] == {"column": "label", "why": "it holds the teacher's classes"}
    assert content["rows"]["test"] == 130
    assert content["teacher"]["layers"] == 2


def test_an_exported_model_is_no_teacher(onnx: Path, place: Path, capsys: Shown) -> None:
    assert run(["init", str(onnx), "--data", "data/train.csv"]) == 2
    assert "give the model that it was exported from" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said(place: Path, capsys: Shown) -> None:
    assert run(["init", "models/teacher", "--data", "data/trian.csv"]) == 2
    said = capsys.readouterr().err
    assert "no such file" in said
    assert "train.csv" in said

"""Compression without a recipe: what is said before, what it takes when nothing smaller does."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.models.outline import outline_of
from compress.recipe import read_recipe
from compress.search import without_recipe
from compress.search.rivals import RIVALS
from compress.search.without_recipe import Asked, compress, prepare
from compress.setup.survey import Given
from profiles.gate import Status
from runtimes.artifact import read_artifact
from runtimes.errors import InputError
from tests.compress.searching import write_recipe
from tests.compress.tiny_models import make_model

Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trained teacher of one layer and its rows."""
    folder = tmp_path_factory.mktemp("without")
    write_recipe(folder)
    return folder


def asked(place: Path, out: Path, **changes: Any) -> Asked:
    """Ask for a compression that measures for seconds."""
    given = Given(
        str(place / "model"), place / "train.csv", finetune=changes.pop("finetune", False)
    )
    return Asked(**{"given": given, "out": out, "tier": "quick", "retention": 0.9, **changes})


def command(place: Path, out: Path, *more: str) -> int:
    rows = ["--data", str(place / "train.csv")]
    return run(["compress", str(place / "model"), *rows, "--out", str(out), *more])


def test_a_dry_run_says_what_is_tried_and_how_long_it_takes(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    assert command(place, tmp_path / "out", "--dry-run", "--time", "5m") == 0
    said = capsys.readouterr().out
    assert "time      at most 5 minutes" in said
    assert "1 layer, 50 % of the FFN, without positions\n" in said
    assert "the whole teacher, int8-dynamic\n" in said
    assert "goal      retention ≥ 98.00%" in said
    assert not (tmp_path / "out").exists()


def test_a_dry_run_as_json(place: Path, tmp_path: Path, capsys: Shown) -> None:
    assert command(place, tmp_path / "out", "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)["compression"]
    assert plan["limit_s"] == 1800
    assert plan["tries"][-1] == "the whole teacher, int8-dynamic"
    assert (plan["label"], plan["finetune"]) == ("class", False)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--retention", "1.5"], "retention"),
        (["--retention", "0"], "retention"),
        (["--time", "soon"], "90s, 60m or 3h"),
        (["--profile", "rpi6"], "rpi"),
        (["--label", "text2"], "did you mean 'text'"),
    ],
)
def test_what_cannot_work_is_bad_input(
    place: Path, tmp_path: Path, capsys: Shown, more: list[str], said: str
) -> None:
    assert command(place, tmp_path / "out", *more) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_refused_before_any_work(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert command(place, tmp_path) == 2
    assert "not a run's" in capsys.readouterr().err


def test_the_teacher_s_rows_decide_what_retention_is_measured_against(
    place: Path, tmp_path: Path
) -> None:
    prepared = prepare(asked(place, tmp_path / "out"))
    assert prepared.request.refits == 0
    assert prepared.request.plan.recipe.data.validation == ("validation.csv",)
    assert prepared.tries == [
        "no layer, 3,500 pairs of pieces, vectors in 8 bits",
        "no layer, 3,500 pairs of pieces, vectors in 4 bits",
        "no layer, 2 residual FFNs, 3,500 pairs of pieces, vectors in 8 bits",
        "no layer, 2 residual FFNs, 3,500 pairs of pieces, vectors in 4 bits",
        "1 layer, 50 % of the FFN, without positions",
        "1 layer",
        "the whole teacher, int8-dynamic",
    ]


def test_an_architecture_that_cannot_be_cut_has_one_try(place: Path, tmp_path: Path) -> None:
    make_model(tmp_path / "modern", "modernbert")
    given = Given(str(tmp_path / "modern"), place / "train.csv")
    prepared = prepare(Asked(given, tmp_path / "out"))
    assert prepared.tries == ["the whole teacher, int8-dynamic"]


def test_too_little_time_to_fine_tune_is_said_with_what_is_needed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(without_recipe, "finetune_pace", lambda plan, cache: 300.0)
    with pytest.raises(InputError, match="expected:  at least 25 minutes") as caught:
        compress(prepare(asked(place, tmp_path / "out", finetune=True, limit_s=600)))
    assert "--time 25m" in str(caught.value)


def test_fine_tuning_takes_as_many_epochs_as_fit(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(without_recipe, "finetune_pace", lambda plan, cache: 100.0)
    epochs = []
    for limit_s in (600, 1500, 36_000):
        prepared = prepare(asked(place, tmp_path / "out", finetune=True, limit_s=limit_s))
        request = without_recipe._with_finetuning(prepared)
        (stage,) = request.plan.recipe.stages
        epochs.append(stage.epochs)  # type: ignore[attr-defined]
    assert epochs == [2, 6, 8]


def test_without_time_for_a_student_the_whole_teacher_is_quantized(
    place: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    report, status = compress(prepare(asked(place, out, limit_s=1.0)))
    assert isinstance(status, Status)
    assert [stage.kind for stage in read_recipe(out / "recipe.toml").stages] == ["quantize"]
    bundle = read_artifact(out / "bundle")
    assert (bundle.precision, bundle.format) == ("int8", "onnx")
    assert report.complete
    kept = [c for c in report.verdicts[0].checks if c.metric == "accuracy_retention"]
    assert kept[0].limit == pytest.approx(0.9)


@pytest.mark.slow
def test_the_recipe_of_the_choice_makes_the_same_model(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    assert command(place, out, "--tier", "quick", "--retention", "0.5") in (0, 1, 3)
    said = capsys.readouterr()
    assert "kept      1 layer" in said.err
    assert f"repeat  edgepress run {out / 'recipe.toml'}" in said.out
    assert run(["run", str(out / "recipe.toml"), "--out", str(again), "--tier", "quick"]) != 5
    models = [read_artifact(folder / "bundle") for folder in (out, again)]
    assert models[0].model_file.read_bytes() == models[1].model_file.read_bytes()
    report = json.loads((out / "report.json").read_text())
    assert report["search"]["answer"]
    assert [row["name"] for row in report["search"]["rivals"]] == list(RIVALS)
    assert math.isfinite(report["summary"]["compression"])


@pytest.mark.slow
def test_a_model_without_a_head_is_fine_tuned_and_compressed(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compress(prepare(asked(place, out, finetune=True)))
    kinds = [stage.kind for stage in read_recipe(out / "recipe.toml").stages]
    assert kinds[0] == "finetune"
    assert kinds[-1] == "quantize"
    assert outline_of(read_artifact(out / "00-teacher")).layers == 1

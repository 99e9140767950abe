"""edgepress advise on a tiny teacher: the answer, its evidence, and a recipe that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.recipe import read_recipe
from tests.compress.brief_tier import shorten
from tests.compress.searching import write_recipe

Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trained teacher of one layer, its rows and a profile."""
    folder = tmp_path_factory.mktemp("advise")
    write_recipe(folder)
    return folder


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time each option in one process: these limits are far from all of their times."""
    shorten(monkeypatch)


def profile(place: Path, limits: str) -> Path:
    """Write a profile of this machine with these limits."""
    path = place / "mine.toml"
    path.write_text(f'schema = 1\nname = "mine"\ndescription = "mine"\n[budgets]\n{limits}\n')
    return path


def ask(place: Path, out: Path, *more: str) -> int:
    rows = ["--data", str(place / "train.csv"), "--out", str(out)]
    return run(["advise", str(place / "model"), *rows, *more])


def test_a_teacher_that_is_fast_enough_is_left_as_it_is(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    limits = "latency_p90_ms = {max = 1000}\nartifact_mb = {max = 50}"
    out = tmp_path / "recipe.toml"
    prices = ["--price-hour", "0.1", "--price-once", "5", "--answers-per-month", "1e6"]
    assert ask(place, out, "--profile", str(profile(place, limits)), "--json", *prices) == 0
    shown = capsys.readouterr()
    advice: dict[str, Any] = json.loads(shown.out)
    assert (advice["answer"], advice["rule"]) == ("leave", "fast_enough")
    kinds = [option["kind"] for option in advice["options"]]
    assert kinds == ["teacher", "quantize", "linear", "linear", "distil", "distil", "distil"]
    assert all(option["p50_ms"] > 0 and option["size_mb"] > 0 for option in advice["options"])
    assert advice["rows"]["rows"] == 300
    assert advice["money"]["break_even_answers"] is None
    assert read_recipe(out).stages == ()


def test_an_easy_task_needs_no_encoder_and_its_recipe_runs(
    place: Path, tmp_path: Path, capsys: Shown
) -> None:
    out = tmp_path / "recipe.toml"
    assert (
        ask(
            place,
            out,
            "--profile",
            str(profile(place, "artifact_mb = {max = 50}")),
            "--retention",
            "0.9",
            "-q",
        )
        == 0
    )
    shown = capsys.readouterr().out
    assert "advice    a linear model is enough" in shown
    assert "no promise" not in shown  # no linear run is recorded
    assert [stage.kind for stage in read_recipe(out).stages] == ["linear"]
    assert run(["run", str(out), "--out", str(tmp_path / "run"), "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--price-once", "5"], "--price-hour"),
        (["--price-hour", "nan"], "not a finite number"),
        (["--profile", "rpi6"], "rpi"),
        (["--label", "text2"], "did you mean 'text'"),
    ],
)
def test_what_cannot_work_is_bad_input(
    place: Path, tmp_path: Path, capsys: Shown, more: list[str], said: str
) -> None:
    assert ask(place, tmp_path / "recipe.toml", *more) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "recipe.toml").exists()


def test_the_recipe_never_replaces_rows(place: Path, capsys: Shown) -> None:
    before = (place / "test.csv").read_text()
    assert ask(place, place / "test.csv", "--force") == 2
    assert "--out" in capsys.readouterr().err
    assert (place / "test.csv").read_text() == before

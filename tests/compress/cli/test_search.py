"""The command line of a search: its options, its refusals and its dry run."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from compress.cli.main import run
from compress.cli.search import Duration
from tests.compress.searching import write_recipe


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("search"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("60m", 3600), ("1.5h", 5400), ("0.5m", 30)]
)
def test_a_time_has_a_unit(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "60", "m", "-3m", "0m", "1d", "1 h"])
def test_a_time_without_one_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="90s, 60m or 3h"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--retention", "1.5"], "retention"),
        (["--time", "soon"], "90s, 60m or 3h"),
        (["--max-trials", "0"], "max-trials"),
        (["--profile", "rpi6"], "rpi"),
    ],
)
def test_what_cannot_be_searched_for_is_bad_input(
    recipe: Path,
    tmp_path: Path,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["search", str(recipe), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_dry_run_of_a_recipe_with_a_target_says_what_is_searched(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", str(recipe), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "goal      retention ≥ 50.00%" in said
    assert "at most 3 trainings, 1 epochs" in said
    assert not (tmp_path / "out").exists()

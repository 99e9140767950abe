"""The teacher that a search chooses by: it has not learned the validation rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.search import pace
from compress.search.pace import with_time_for_base
from compress.search.request import NoBoard
from compress.search.search import search
from compress.search.selection import base_of
from compress.search.workshop import Workshop, refit_rows
from runtimes.errors import RecipeError
from tests.compress.search.test_search import asked, timed
from tests.compress.searching import RECIPE, write_recipe
from tests.compress.tiny_models import make_model

FINISHED = RECIPE.replace('validation = "validation.csv"\n', "")
WITH_BASE = FINISHED.replace('path = "model"\n', 'path = "model"\nbase = "base"\n')


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a recipe of a finished teacher that names its base."""
    folder = tmp_path_factory.mktemp("selection")
    write_recipe(folder, FINISHED)
    make_model(folder / "base", layers=1)
    make_model(folder / "deep", layers=2)
    recipe = folder / "base.toml"
    recipe.write_text(WITH_BASE, encoding="utf-8")
    return recipe


def variant(recipe: Path, name: str, text: str) -> Path:
    other = recipe.parent / name
    other.write_text(text, encoding="utf-8")
    return other


def test_a_base_is_fine_tuned_without_the_validation_rows(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workshop, "timed", timed)
    request = asked(recipe, tmp_path / "out", max_trials=2, limit_s=None)
    result = search(request)
    assert result.control.name == "another teacher"
    assert result.control.shape is None
    assert "without the validation rows" in result.control.why
    shop = request.workshop()
    assert shop.selection.digest != shop.teacher.digest
    assert shop.selection.history[-1].kind == "finetune"


def test_the_refit_learns_from_the_finished_teacher(recipe: Path, tmp_path: Path) -> None:
    shop = asked(recipe, tmp_path / "out").workshop()
    assert shop._teacher(None) is shop.selection
    assert shop._teacher(refit_rows(shop.data)) is shop.teacher


@pytest.mark.parametrize(
    "change",
    [
        ("[data]\n", '[data]\nvalidation = "validation.csv"\n'),
        ('base = "base"\n', 'base = "base"\nsaw_validation = false\n'),
        ('base = "base"\n', ""),
    ],
)
def test_no_base_is_used_where_the_teacher_has_not_seen_the_rows(
    recipe: Path, tmp_path: Path, change: tuple[str, str]
) -> None:
    other = variant(recipe, "other.toml", WITH_BASE.replace(*change))
    request = asked(other, tmp_path / "out")
    assert base_of(request.plan) is None
    shop = request.workshop()
    assert shop.selection is shop.teacher


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FINISHED, ["[teacher] base"]),
        (WITH_BASE, []),
        (WITH_BASE.replace('test = "test.csv"\n', ""), ["as [data] test"]),
        (FINISHED.replace('test = "test.csv"\n', ""), ["[teacher] base", "as [data] test"]),
        (RECIPE, []),
        (FINISHED.replace("[target]", '[[stage]]\nkind = "finetune"\n[target]'), []),
    ],
)
def test_rows_that_the_teacher_has_learned_are_warned_of(
    recipe: Path, tmp_path: Path, text: str, said: list[str]
) -> None:
    plan = asked(variant(recipe, "rows.toml", text), tmp_path / "out").plan
    warned = [line for line in plan.warnings if "probably learned" in line]
    assert len(warned) == len(said)
    assert all(part in line for part, line in zip(said, warned, strict=True))


def test_a_base_of_another_depth_is_refused_before_any_work(recipe: Path, tmp_path: Path) -> None:
    other = variant(recipe, "deep.toml", WITH_BASE.replace('"base"', '"deep"'))
    with pytest.raises(RecipeError, match="with 2 layers") as caught:
        asked(other, tmp_path / "out")
    assert "with 1 layers" in str(caught.value)


def test_without_time_for_the_base_a_student_is_the_control(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = asked(recipe, tmp_path / "out")
    monkeypatch.setattr(pace, "finetune_pace", lambda plan, cache: 100.0)
    said = NoBoard()
    kept = with_time_for_base(request.plan, request.cache, 2000.0, said)
    assert kept is request.plan
    short = with_time_for_base(request.plan, request.cache, 600.0, said)
    assert base_of(short) is None
    assert any("at least --time 21m" in line for line in said.warnings)
    assert with_time_for_base(request.plan, request.cache, None, said) is request.plan


def test_what_the_recipe_fine_tunes_never_sees_the_validation_rows(
    recipe: Path, tmp_path: Path
) -> None:
    text = FINISHED.replace("[target]", '[[stage]]\nkind = "finetune"\nepochs = 1\n[target]')
    other = variant(recipe, "tuned.toml", text)
    shop = asked(other, tmp_path / "out").workshop()
    learned, held = set(shop.data.train.inputs), set(shop.data.validation.inputs)
    assert held
    assert not learned & held
    assert shop.selection is shop.teacher
    assert shop.teacher.history[-1].kind == "finetune"

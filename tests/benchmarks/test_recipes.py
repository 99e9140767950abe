"""The benchmarks' recipes can be planned for the teachers that they name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from compress.models.outline import outline_of
from compress.recipe import read_recipe
from compress.run.steps import lay_out
from tests.compress.tiny_models import make_model

RECIPES = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_stage_and_format_takes_what_the_one_before_leaves(
    path: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(path)
    teacher = outline_of(make_model(tmp_path / "model", "bert", layers=6))
    task = recipe.teacher.task or teacher.task
    layout = lay_out(recipe, dataclasses.replace(teacher, task=task))
    assert len(layout.formats) == max(len(recipe.export.formats), 1)

"""Settings of the distillation, compared over seeds on validation rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.retention import Student, Variant, compared, main, table
from compress.bag.stage import Bag
from compress.distill.stage import Distill
from profiles.scores import RowScores
from runtimes.errors import RecipeError
from tests.compress.searching import RECIPE, right, write_recipe

STAGES = """
[[stage]]
kind = "prune"
ffn = 0.5
recovery_epochs = 0

[[stage]]
kind = "distill"
layers = 1
augment = 1
epochs = 1
"""
BAG_STAGES = """
[[stage]]
kind = "bag"
width = 16
inner = 16
augment = 1
epochs = 1
"""


def made(hits: tuple[int, ...]) -> list[Student]:
    return [Student(seed, right(count), 0.1, 60.0) for seed, count in enumerate(hits)]


def test_a_better_variant_is_above_the_recipe_and_a_like_one_is_not_told_apart() -> None:
    students = {"recipe": made((900, 904)), "better": made((950, 960)), "like": made((901, 904))}
    recipe, better, like = compared(students)["variants"]
    assert recipe["of_recipe"] is None
    assert recipe["metric"] == pytest.approx(0.902)
    assert better["of_recipe"]["lower"] > 1.0
    assert like["of_recipe"]["lower"] < 1.0 < like["of_recipe"]["upper"]
    lines = table(compared(students)).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "90.00% to 90.40%" in lines[2]


def test_the_mean_over_seeds_is_row_by_row() -> None:
    """Two students that are right on other rows are together no better than each alone."""
    halves = [RowScores.right([1, 1, 0, 0]), RowScores.right([0, 0, 1, 1])]
    students = {"a": [Student(7, one, 0.0, 1.0) for one in halves]}
    assert compared(students)["variants"][0]["metric"] == 0.5


def test_a_variant_is_written_as_in_a_recipe() -> None:
    variant = Variant.read("dropout = false, learning_rate = 1e-3, assistant = 3")
    stage = variant.of(Distill(layers=1, augment=4))
    assert isinstance(stage, Distill)
    assert (stage.dropout, stage.learning_rate, stage.augment) == (False, 1e-3, 4)
    assert variant.assistant == 3


def test_a_variant_of_a_bag_has_the_settings_of_its_stage() -> None:
    assert Variant.read("pairs = 2000").of(Bag(width=64)) == Bag(width=64, pairs=2000)
    with pytest.raises(RecipeError, match="--variant"):
        Variant.read("layers = 2").of(Bag())


@pytest.mark.parametrize("text", ["dropout = off", "droput = false", "epochs = 0"])
def test_a_wrong_variant_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="--variant"):
        Variant.read(text).of(Distill(layers=1))


@pytest.mark.parametrize(
    ("stages", "variant"),
    [(STAGES, "alpha = 0.5, dropout = true"), (BAG_STAGES, "pairs = 2, alpha = 0.5")],
    ids=["layers", "bag"],
)
def test_real_students_are_trained_and_compared(stages: str, variant: str, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, RECIPE.split("[target]")[0] + stages)
    arguments = [str(recipe), "--seeds", "2", "--variant", variant]
    arguments += ["--variant", "assistant = 1", "--json", str(tmp_path / "out.json")]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    variants = result["variants"]
    assert [one["name"] for one in variants] == ["as the recipe", *arguments[4:8:2]]
    assert all(one["seeds"] == [7, 8] and one["kl"] > 0 for one in variants)
    assert len({one["kl"] for one in variants}) == 3

"""The documents name every command, key, stage, runtime and architecture, and no others."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import compress
from compress.cli.main import COMMANDS
from compress.data.dataset import DataSettings
from compress.doctor import EXTRAS
from compress.export.formats import FORMATS
from compress.models.architectures import FULL, PARTIAL, supports
from compress.quantize.schemes import NAMES as SCHEMES
from compress.quantize.schemes import NONE
from compress.recipe import ExportSettings, TargetSettings, TeacherSettings, read_recipe
from compress.stage import STAGES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RECIPE = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_names_every_command(command: str) -> None:
    assert re.search(rf"`(edgepress )?{command}\b", README)


@pytest.mark.parametrize("extra", [*EXTRAS, "all"])
def test_the_readme_names_every_extra(extra: str) -> None:
    rows = README.split("\n| extra ")[1].split("\n\n")[0]
    assert f"`{extra}`" in rows


@pytest.mark.parametrize("model_type", [*FULL, *PARTIAL])
def test_the_readme_says_what_each_architecture_supports(model_type: str) -> None:
    row = next(line for line in README.splitlines() if f"`{model_type}`" in line)
    head = next(line for line in README.splitlines() if line.startswith("| architecture"))
    stages = [cell.strip() for cell in head.strip("|").split("|")][1:]
    marks = [cell.strip() for cell in row.strip("|").split("|")][1:]
    said = {stage for stage, mark in zip(stages, marks, strict=True) if mark == "✓"}
    assert said == {stage for stage in stages if supports(model_type, stage)}


@pytest.mark.parametrize("model", [TeacherSettings, DataSettings, ExportSettings, TargetSettings])
def test_every_table_key_of_a_recipe_is_documented(model: type) -> None:
    for name in model.model_fields:  # type: ignore[attr-defined]
        assert f"`{name}`" in RECIPE


@pytest.mark.parametrize("kind", [name for name in STAGES if name != "export"])
def test_every_setting_of_a_stage_is_documented_with_its_stage(kind: str) -> None:
    section = RECIPE.split(f'### `kind = "{kind}"`')[1].split("\n#")[0]
    for column in dataclasses.fields(STAGES.resolve(kind)):
        assert f"`{column.name}`" in section, column.name


@pytest.mark.parametrize(("key", "names"), [("scheme", (*SCHEMES, NONE)), ("formats", FORMATS)])
def test_every_scheme_and_format_is_documented_with_its_key(
    key: str, names: tuple[str, ...]
) -> None:
    row = next(line for line in RECIPE.splitlines() if line.startswith(f"| `{key}`"))
    assert set(re.findall(r'"([\w-]+)"', row)) == set(names)


def test_the_shipped_recipes_are_valid() -> None:
    demo = Path(compress.__file__).parent / "demo" / "demo.toml"
    recipes = [ROOT / "benchmarks" / "banking77.toml", demo]
    for path in recipes:
        assert read_recipe(path).stages


def test_the_recipe_of_the_readme_is_valid(tmp_path: Path) -> None:
    block = README.split("```toml\n")[1].split("```")[0]
    (tmp_path / "recipe.toml").write_text(block, encoding="utf-8")
    kinds = [stage.kind for stage in read_recipe(tmp_path / "recipe.toml").stages]
    assert kinds == ["prune", "distill", "quantize"]

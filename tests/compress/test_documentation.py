"""The documents name every command, key, stage, runtime and architecture, and no others."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import compress
from compress.bag.stage import Bag
from compress.cli.main import COMMANDS
from compress.data.dataset import DataSettings
from compress.distill.stage import Distill
from compress.doctor import EXTRAS
from compress.export.formats import FORMATS
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.linear.stage import Linear
from compress.models.architectures import FULL, PARTIAL, supports
from compress.prune.stage import Prune
from compress.quantize.schemes import NAMES as SCHEMES
from compress.quantize.schemes import NONE
from compress.quantize.stage import Quantize
from compress.recipe import ExportSettings, TargetSettings, TeacherSettings, read_recipe
from compress.stage import STAGES, TORCH, Outline, Stage
from compress.tasks import TASKS
from runtimes.errors import EdgepressError

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


_ASKED: dict[str, Stage] = {
    "finetune": Finetune(),
    "the head alone": Finetune(method="frozen"),
    "distill": Distill(layers=1),
    "prune": Prune(ffn=0.5),
    "linear": Linear(),
    "bag": Bag(),
    "quantize": Quantize(scheme="int8-dynamic"),
    "4-bit weights": Quantize(scheme="int8-dynamic", weights="int4"),
    "export": Export(format="onnx"),
}


@pytest.mark.parametrize("task", TASKS.names())
@pytest.mark.parametrize("model_type", FULL)
def test_the_readme_says_what_each_task_supports(task: str, model_type: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith("|") and f"`{task}`" in line)
    head = next(line for line in README.splitlines() if line.startswith("| task | finetune"))
    columns, marks = ([c.strip() for c in line.strip("|").split("|")][1:] for line in (head, row))
    said = dict(zip(columns, marks, strict=True))
    assert said.keys() == _ASKED.keys()
    for name, stage in _ASKED.items():
        form = TORCH if TORCH in stage.accepts else "onnx"
        assert (said[name] == "✓") == _takes(stage, Outline(form, "fp32", model_type, task, 6)), (
            name
        )


def _takes(stage: Stage, source: Outline) -> bool:
    try:
        stage.check(source)
    except EdgepressError:
        return False
    return True


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

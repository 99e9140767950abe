"""The recipe: what a person writes, validated and frozen before anything runs."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from runtimes.errors import RecipeError, suggest

from compress.data import DataSettings
from compress.stage import STAGES, Stage

_STRICT = ConfigDict(frozen=True, extra="forbid")


class TeacherSettings(BaseModel):
    """The recipe's [teacher]: a folder, a Hub id or python:PACKAGE/FOLDER, and its task."""

    model_config = _STRICT

    path: str
    task: str = "text-classification"
    max_length: Annotated[int, Field(ge=8, le=8192)] | None = None


class ExportSettings(BaseModel):
    """The recipe's [export]: the formats to make; the first is the one that is judged.

    A profile that names another of these runtimes has its format judged instead.
    """

    model_config = _STRICT

    formats: tuple[Literal["onnx", "openvino", "tensorrt"], ...] = ("onnx",)


class _File(BaseModel):
    """The recipe as it stands in the file, its stages still plain tables."""

    model_config = _STRICT

    schema_: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7
    profiles: tuple[str, ...] = ("local",)
    teacher: TeacherSettings
    data: DataSettings
    stage: tuple[dict[str, Any], ...] = ()
    export: ExportSettings = ExportSettings()


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hold a validated recipe; relative paths in it start at `folder`."""

    name: str
    seed: int
    profiles: tuple[str, ...]
    teacher: TeacherSettings
    data: DataSettings
    stages: tuple[Stage, ...]
    export: ExportSettings
    folder: Path


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file; raise RecipeError for anything in it that is unknown or wrong."""
    if not path.is_file():
        raise RecipeError(f"{path}: no such recipe", expected="a TOML file; see the README")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path.name}: not TOML ({error})") from error
    return parse_recipe(content, path.resolve().parent, path.name)


def parse_recipe(content: dict[str, Any], folder: Path, name: str) -> Recipe:
    """Validate a recipe's content; `name` stands in its errors."""
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        raise recipe_error(error, name, _keys(_File)) from error
    return Recipe(
        name=file.name,
        seed=file.seed,
        profiles=file.profiles,
        teacher=file.teacher,
        data=file.data,
        stages=tuple(parse_stage(row, f"{name}, stage {n}") for n, row in enumerate(file.stage, 1)),
        export=file.export,
        folder=folder,
    )


def parse_stage(row: dict[str, Any], name: str) -> Stage:
    """Turn one [[stage]] table into the stage that its kind names."""
    settings = dict(row)
    kind = settings.pop("kind", None)
    if not isinstance(kind, str):
        raise RecipeError(f"{name}: no kind", available=", ".join(STAGES.names()))
    if kind == "export":
        raise RecipeError(f"{name}: export is not a [[stage]]", expected="formats under [export]")
    cls = STAGES.resolve(kind)
    try:
        stage: Stage = TypeAdapter(cls).validate_python(settings)
    except ValidationError as error:
        raise recipe_error(error, f"{name} ({kind})", list(cls.__dataclass_fields__)) from error
    return stage


def recipe_error(error: ValidationError, name: str, known: list[str]) -> RecipeError:
    """Say the first thing that is wrong with a recipe in the project's own words."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        siblings = [key for key in known if _parent(key) == _parent(place)] or known
        near = suggest(place.rpartition(".")[2], [key.rpartition(".")[2] for key in siblings])
        return RecipeError(
            f"{name}: unknown key {place!r}",
            available=", ".join(siblings),
            action=f"did you mean {near!r}?" if near else "see the README's recipe",
        )
    received = "" if first["type"] == "missing" else f", not {first['input']!r}"
    return RecipeError(
        f"{name}: {place}: {first['msg']}{received}", action="see the README's recipe"
    )


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, row in model.model_fields.items():
        key = prefix + (row.alias or name)
        found.append(key)
        if isinstance(row.annotation, type) and issubclass(row.annotation, BaseModel):
            found += _keys(row.annotation, f"{key}.")
    return found


def _parent(key: str) -> str:
    return key.rpartition(".")[0]

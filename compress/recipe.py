"""Recipes: the input of a run, validated and frozen before any work."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic_core import to_jsonable_python

from compress.data.dataset import DataSettings
from compress.export.formats import Format
from compress.stage import STAGES, Stage, settings_of
from runtimes.digest import stable_hash
from runtimes.errors import RecipeError, UnknownNameError, suggest
from runtimes.parsing import as_json, parse_toml

Epochs = Annotated[int, Field(ge=1, le=1000)]

_STRICT = ConfigDict(frozen=True, extra="forbid")


class TeacherSettings(BaseModel):
    """Hold the recipe's [teacher]: a folder, a Hub id or python:PACKAGE/FOLDER, and its task.

    Without `task`, the folder's configuration tells it. `saw_validation` says whether it was
    trained on the validation rows; None: find out. `base` is what it was fine-tuned from: a search
    chooses by another teacher made of it without those rows.
    """

    model_config = _STRICT

    path: str
    task: str | None = None
    max_length: Annotated[int, Field(ge=8, le=8192)] | None = None
    saw_validation: bool | None = None
    base: str | None = None


class TargetSettings(BaseModel):
    """Hold the recipe's [target]: what a search's answer must meet, and the search's limits."""

    model_config = _STRICT

    retention: Annotated[float, Field(gt=0, le=1)] = 0.99
    latency_p90_ms: Annotated[float, Field(gt=0)] | None = None
    artifact_mb: Annotated[float, Field(gt=0)] | None = None
    minutes: Annotated[float, Field(gt=0)] = 60.0
    max_trials: Annotated[int, Field(ge=1)] | None = None
    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    rungs: Annotated[tuple[Epochs, ...], Field(min_length=1)] = (3, 8, 20)


class ExportSettings(BaseModel):
    """Hold the recipe's [export]: the formats to make; the first one is judged.

    If the profile names the runtime of another format, that format is judged instead.
    """

    model_config = _STRICT

    formats: Annotated[tuple[Format, ...], Field(min_length=1)] = ("onnx",)

    @field_validator("formats")
    @classmethod
    def _each_once(cls, formats: tuple[Format, ...]) -> tuple[Format, ...]:
        return tuple(dict.fromkeys(formats))


class _File(BaseModel):
    """Hold the recipe as in the file, with its stages as plain tables."""

    model_config = _STRICT

    schema_: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 7
    profiles: Annotated[tuple[str, ...], Field(min_length=1)] = ("local",)
    teacher: TeacherSettings
    data: DataSettings
    stage: tuple[dict[str, Any], ...] = ()
    target: TargetSettings | None = None
    export: ExportSettings = ExportSettings()

    @field_validator("schema_", mode="before")
    @classmethod
    def _a_number(cls, value: object) -> object:
        if value is True:  # which equals 1
            raise ValueError("true is no number; write schema = 1")
        return value


_HOW = {
    "schema": "write schema = 1",
    "name": 'write name = "my-model": letters, digits, ".", "_" and "-"',
    "stage": 'write each stage as [[stage]], in two brackets, with kind = "…"',
    "teacher": 'write [teacher] and below it path = "FOLDER"',
    "data": 'write [data] and below it train = "train.csv"',
}
"""How to write the keys that every recipe has."""

_EXPECTED = {
    "tuple_type": "a list",
    "model_type": "a table of keys",
    "too_short": "at least one",
    "string_pattern_mismatch": "at most 64 letters, digits, dots, dashes and underscores",
}
"""The project's words for pydantic's types of faults."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hold a validated recipe; its relative paths are relative to `folder`."""

    name: str
    seed: int
    profiles: tuple[str, ...]
    teacher: TeacherSettings
    data: DataSettings
    stages: tuple[Stage, ...]
    export: ExportSettings
    folder: Path
    target: TargetSettings | None = None

    @property
    def identity(self) -> dict[str, str]:
        """Return the recipe's name and the SHA-256 of all that it says, but for its place."""
        said = {
            "name": self.name,
            "seed": self.seed,
            "profiles": self.profiles,
            "data": self.data.model_dump(exclude={"folder"}),
            "teacher": self.teacher,
            "export": self.export,
            "target": self.target,
            "stages": [[stage.kind, settings_of(stage)] for stage in self.stages],
        }
        return {"name": self.name, "digest": stable_hash(to_jsonable_python(said))}


def read_recipe(path: Path, *, data_folder: Path | None = None) -> Recipe:
    """Read a recipe file; `data_folder` replaces its [data] folder.

    Raises RecipeError for an unknown key or a wrong value.
    """
    path = path.expanduser()
    if not path.is_file():
        recipes = sorted(str(p.name) for p in path.parent.glob("*.toml"))
        raise RecipeError(
            f"{path}: {'a folder' if path.is_dir() else 'no such recipe'}",
            expected="a TOML file",
            available=", ".join(recipes[:8]) or None,
            action="see the README for an example",
        )
    try:
        content = parse_toml(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise RecipeError(
            f"{path.name}: not TOML ({error})",
            expected='key = value, texts in quotes: path = "model"',
            action="correct the line; TOML is UTF-8",
        ) from error
    if data_folder is not None and isinstance(content.get("data"), dict):
        content["data"]["folder"] = str(data_folder.expanduser().resolve())
    return parse_recipe(content, path.resolve().parent, path.name)


def parse_recipe(content: dict[str, Any], folder: Path, name: str) -> Recipe:
    """Validate a recipe's content; `name` appears in error messages."""
    try:
        file = _File.model_validate_json(as_json(content), strict=True)
    except ValidationError as error:
        raise recipe_error(error, name, _keys(_File)) from error
    return Recipe(
        name=file.name,
        seed=file.seed,
        profiles=file.profiles,
        teacher=file.teacher,
        data=file.data,
        stages=tuple(
            _anchored(_listed_stage(row, f"{name}, stage {number}"), folder)
            for number, row in enumerate(file.stage, 1)
        ),
        export=file.export,
        folder=folder,
        target=file.target,
    )


def _listed_stage(row: dict[str, Any], name: str) -> Stage:
    listed = [kind for kind in STAGES.names() if kind != "export"]
    kind = row.get("kind")
    if kind == "export":
        raise RecipeError(
            f"{name}: export is not a [[stage]]",
            expected="formats under [export]",
            action='write [export] and below it formats = ["onnx"]',
        )
    if not isinstance(kind, str):
        raise RecipeError(
            f"{name}: " + ("no kind" if kind is None else f"kind is {kind!r}"),
            expected="the name of a stage",
            available=", ".join(listed),
            action='write kind = "…" below [[stage]]',
        )
    if kind not in listed:
        raise UnknownNameError("stage", kind, listed)
    return parse_stage(row, name)


def _anchored(stage: Stage, folder: Path) -> Stage:
    """Return the stage with its folders relative to the working folder instead of the recipe's."""
    seen: dict[str, Any] = {
        name: _seen_from_here(path, folder) for name, path in stage.models().items()
    }
    return dataclasses.replace(stage, **seen)


def _seen_from_here(model: str, folder: Path) -> str:
    """Return a recipe's model path relative to the working folder.

    Absolute paths of this machine are kept out of manifests.
    """
    place = folder / Path(model).expanduser()
    hub_id = model.count("/") == 1 and model[0] not in "./~" and not place.is_dir()
    return model if hub_id or model.startswith("python:") else os.path.relpath(place)


def parse_stage(row: dict[str, Any], name: str) -> Stage:
    """Turn a table of settings into the stage of its `kind`; `name` appears in error messages."""
    settings = dict(row)
    kind = settings.pop("kind")
    cls = STAGES.resolve(kind)
    if not issubclass(cls, Stage):
        raise RecipeError(
            f"{name}: {kind} is {cls.__module__}:{cls.__qualname__}, which is not a stage",
            expected="a subclass of compress.stage.Stage",
            action="update the package that adds it",
        )
    try:
        stage: Stage = TypeAdapter(cls).validate_json(as_json(settings), strict=True)
    except ValidationError as error:
        raise recipe_error(
            error, f"{name} ({kind})", [field.name for field in dataclasses.fields(cls)]
        ) from error
    return stage


def recipe_error(error: ValidationError, name: str, known: list[str]) -> RecipeError:
    """Return the first fault of a recipe in the project's own words."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    siblings = [key for key in known if _parent(key) == _parent(place)] or known
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        near = suggest(place.rpartition(".")[2], [key.rpartition(".")[2] for key in siblings])
        return RecipeError(
            f"{name}: unknown key {place!r}",
            available=", ".join(siblings),
            action=f"did you mean {near!r}?" if near else "see the README's recipe",
        )
    if first["type"] == "missing":
        return RecipeError(
            f"{name}: no {place!r}",
            expected="a value for it in every recipe",
            action=_HOW.get(place, "see the README's recipe"),
        )
    if first["type"] == "value_error":
        why = first["msg"].removeprefix("Value error, ")
        return RecipeError(f"{name}: {place}: {why}", action="see the README's recipe")
    return RecipeError(
        f"{name}: {place} is {first['input']!r:.80}",
        expected=_EXPECTED.get(first["type"], first["msg"].removeprefix("Input should be ")),
        action=_HOW.get(place, "see the README's recipe"),
    )


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, row in model.model_fields.items():
        key = prefix + (row.alias or name)
        keys.append(key)
        if isinstance(row.annotation, type) and issubclass(row.annotation, BaseModel):
            keys += _keys(row.annotation, f"{key}.")
    return keys


def _parent(key: str) -> str:
    return key.rpartition(".")[0]

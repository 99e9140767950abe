"""Draft a recipe for a surveyed teacher, with a comment beside each key."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

from compress.models.architectures import supports
from compress.quantize.schemes import scheme_of
from compress.setup.survey import SEED, Survey
from compress.setup.toml import Key, Table, to_toml
from compress.stage import Stage, settings_of
from compress.tasks import DEFAULT_TASK
from profiles.device import DeviceProfile, load_profile
from runtimes.runtime import format_for

_LAYERS = 2
_MOST_NAME = 64
_SHARE = 0.15


def draft(survey: Survey, recipe: Path, profiles: Sequence[str] = ("local",)) -> str:
    """Return the text of a recipe at `recipe`, which runs as it is.

    Raises UnknownNameError or ProfileError for an unknown or wrong profile.
    """
    device = load_profile(profiles[0])
    made, name = survey.teacher, recipe_name(survey)
    head = (
        f"{made.model_type}, {made.parameters / 1e6:.1f} M parameters:"
        f" smaller and faster for {len(survey.data.labels)} classes.",
        f"  edgepress run {recipe} --out runs/{name} --dry-run   # check it, print the plan",
        f"  edgepress run {recipe} --out runs/{name}",
        "Every key is optional but schema, name, path and train; docs/recipe.md has them all.",
    )
    return to_toml(recipe_tables(survey, recipe, profiles, _stages(survey, device), head))


def recipe_tables(
    survey: Survey,
    recipe: Path,
    profiles: Sequence[str],
    stages: Sequence[Table],
    head: Sequence[str],
) -> list[Table]:
    """Return the tables of a recipe at `recipe` with these stages; `head` is its comment."""
    folder = recipe.absolute().parent.resolve()
    formats = [_form(load_profile(profiles[0]))]
    return [
        Table("", _top(recipe_name(survey), profiles, folder), head),
        teacher_table(survey, folder),
        data_table(survey, folder),
        *stages,
        Table("[export]", [Key("formats", formats, "the first one is judged")]),
    ]


def stage_table(stage: Stage) -> Table:
    """Return a stage as [[stage]], with the settings that differ from its defaults."""
    defaults = {column.name: column.default for column in dataclasses.fields(stage)}
    kept = {
        name: value
        for name, value in settings_of(stage).items()
        if value != defaults[name] and value not in (None, (), [])
    }
    return Table("[[stage]]", [Key("kind", stage.kind), *(Key(*row) for row in kept.items())])


def recipe_name(survey: Survey) -> str:
    """Return a name for the run: the teacher folder's name, in the allowed characters."""
    last = survey.given.teacher.rstrip("/").rpartition("/")[2] or survey.teacher.path.name
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("._-")
    return plain[:_MOST_NAME] or "model"


def teacher_table(survey: Survey, folder: Path) -> Table:
    """Return [teacher], for a recipe in `folder`."""
    comment = "is fine-tuned first" if survey.finetune else "fine-tuned already; it is not changed"
    task = survey.teacher.task
    named = [] if task == DEFAULT_TASK else [Key("task", task, "what the rows are labeled for")]
    return Table(
        "[teacher]",
        [
            Key("path", _teacher_path(survey, folder), comment),
            *named,
            Key("max_length", survey.teacher.max_length, "tokens that a text is cut to"),
        ],
    )


def data_table(survey: Survey, folder: Path) -> Table:
    """Return [data], for a recipe in `folder`."""
    data, place = survey.given.data, _place(survey.given.data)
    keys = [
        Key("folder", seen_from(folder, place), "where the files are, seen from this recipe"),
        Key("train", data.name, f"{len(survey.data.train)} rows are learned from"),
    ]
    said = {
        "validation": "choices are made on these rows",
        "test": "judged once, at the end",
    }
    for split, comment in said.items():
        if split in survey.splits:
            file = survey.splits[split]
            keys.append(Key(split, seen_from(place, _place(file) / file.name), comment))
        else:
            keys.append(Key(f"{split}_share", _SHARE, f"split off train: {comment}"))
    keys += [
        Key("text", survey.text.column, "the column of the text"),
        *(
            [Key("text_pair", survey.text_pair.column, "the column of the second text")]
            if survey.text_pair
            else []
        ),
        Key("label", survey.label.column, f"the column of its labels, {_classes(survey)} in all"),
    ]
    return Table("[data]", keys)


def seen_from(folder: Path, path: Path) -> str:
    """Return a relative path, so that both can move together; absolute over the root."""
    if os.path.commonpath([folder, path]) == folder.anchor:
        return str(path)
    return os.path.relpath(path, folder)


def _place(file: Path) -> Path:
    """Return a file's folder. A link's own name is kept: its target may have no suffix."""
    return file.expanduser().absolute().parent.resolve()


def _classes(survey: Survey) -> int:
    return len(survey.data.labels)


def _teacher_path(survey: Survey, folder: Path) -> str:
    given = survey.given.teacher
    local = Path(given).expanduser()
    return seen_from(folder, local.resolve()) if local.is_dir() else given


def _top(name: str, profiles: Sequence[str], folder: Path) -> list[Key]:
    return [
        Key("schema", 1, "the version of this format"),
        Key("name", name, "the run's name"),
        Key("seed", SEED, "the same seed gives the same model"),
        Key(
            "profiles",
            [_profile_path(profile, folder) for profile in profiles],
            "devices to judge for; `edgepress profile list`",
        ),
    ]


def _profile_path(profile: str, folder: Path) -> str:
    named_file = profile.endswith(".toml") or os.sep in profile
    return seen_from(folder, Path(profile).expanduser().resolve()) if named_file else profile


def _form(device: DeviceProfile) -> str:
    return format_for(device.runtime.name)


def _stages(survey: Survey, device: DeviceProfile) -> list[Table]:
    """Return the suitable stages: an architecture that cannot be pruned is only quantized."""
    cut = all(supports(survey.teacher.model_type, kind) for kind in ("prune", "distill"))
    return [
        *([_finetune()] if survey.finetune else []),
        *([_prune(), _distill(survey.layers)] if cut else []),
        _quantize(device),
    ]


def _finetune() -> Table:
    return Table(
        "[[stage]]",
        [
            Key("kind", "finetune", "its result is the teacher of what follows"),
            Key("epochs", 8, "at most; the best one on validation rows is kept"),
        ],
        ("Train the model for these classes.",),
    )


def _prune() -> Table:
    return Table(
        "[[stage]]",
        [
            Key("kind", "prune"),
            Key("ffn", 0.5, "the share of the FFN units that goes; 0 keeps all"),
            Key("vocabulary", True, "drop pieces that the rows do not use"),
            Key("recovery_epochs", 0, "the distillation below trains what is left"),
        ],
        ("Remove what matters least.",),
    )


def _distill(layers: int) -> Table:
    return Table(
        "[[stage]]",
        [
            Key("kind", "distill"),
            Key("layers", min(_LAYERS, layers), f"of {layers}: fewer is faster, more is safer"),
            Key("augment", 4, "augmented copies of each row, which the teacher answers"),
            Key("epochs", 12, "more is better, and takes longer"),
        ],
        ("Keep a few layers, which learn to answer as the teacher does.",),
    )


def _quantize(device: DeviceProfile) -> Table:
    scheme, form = device.quantization.scheme, _form(device)
    keys = [
        Key("kind", "quantize"),
        Key("scheme", scheme, "int8-static, int4-weight-only, fp16, none"),
    ]
    if scheme == "int8-dynamic" and "int4" in scheme_of(form, scheme).embeddings:
        keys.append(Key("embeddings", "int4", "int8 is larger, and as fast"))
    return Table("[[stage]]", keys, ("Store and compute the exported model with fewer bits.",))

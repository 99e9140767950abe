"""Check a whole recipe before any training, and describe the work."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.data.dataset import Dataset, load_dataset
from compress.judge.fleet import named_apart
from compress.models.outline import outline_of
from compress.models.teacher import open_model
from compress.recipe import Recipe
from compress.run.cache import default_cache
from compress.run.preflight import check_devices, check_places, check_runtimes, cut_texts
from compress.run.quantization import quantization_for
from compress.run.run_folder import RunFolder
from compress.run.steps import Step, lay_out, teacher_step
from compress.stage import Stage, Target, settings_of
from compress.tasks import Task, counted_outputs, task_of
from compress.tasks.sentence import assumed
from profiles.device import DeviceProfile, load_profile
from profiles.job import Job
from profiles.probe import target_int8_dot
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError
from runtimes.facts import Facts


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold a checked recipe and its steps.

    With `refit` rows, all stages but the one that makes the teacher learn from these: by then, all
    choices on the validation rows are made.
    """

    recipe: Recipe
    teacher: Artifact
    data: Dataset
    profiles: tuple[DeviceProfile, ...]
    device: Job
    target: Target
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
    refit: Dataset | None = None

    @property
    def facts(self) -> Facts:
        """Return the hardware of the measured device."""
        return self.device.facts()

    @property
    def teacher_step(self) -> str:
        """Return the step whose artifact is the teacher."""
        return teacher_step(self.steps)

    def rows_for(self, stage: Stage) -> Dataset:
        """Return the rows that a stage learns from."""
        return self.data if self.refit is None or stage.teaches else self.refit

    def lines(self) -> list[str]:
        """Describe the plan, one line for each step."""
        data = self.data
        outputs = counted_outputs(self.teacher.task, len(data.labels))
        rows = f"{len(data.train)} train, {len(data.validation)} validation, {len(data.test)} test"
        head = [
            f"teacher   {self.recipe.teacher.path} ({self.teacher.model_type},"
            f" {self.teacher.parameters / 1e6:.1f} M parameters)",
            f"data      {rows}"
            + (f", {outputs}" if outputs else "")
            + (f", {len(data.unlabeled)} unlabeled" if data.unlabeled else ""),
            f"profiles  {', '.join(profile.name for profile in self.profiles)}",
            *(f"weights   {quantization_for(p, self.facts).line()}" for p in self.profiles),
        ]
        return head + [
            f"{step.name:<24}{step.stage.kind} {step.source}  {_settings(step.stage)}".rstrip()
            for step in self.steps
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        data = self.data
        return {
            "teacher": {
                "path": self.recipe.teacher.path,
                "model_type": self.teacher.model_type,
                "parameters": self.teacher.parameters,
            },
            "rows": {
                "train": len(data.train),
                "validation": len(data.validation),
                "test": len(data.test),
                "unlabeled": len(data.unlabeled),
            },
            "classes": len(data.labels),
            "profiles": [profile.name for profile in self.profiles],
            "steps": [
                {
                    "name": step.name,
                    "kind": step.stage.kind,
                    "source": step.source,
                    "settings": settings_of(step.stage),
                }
                for step in self.steps
            ],
            "warnings": list(self.warnings),
        }


def make_plan(recipe: Recipe, out: Path, *, profiles: tuple[str, ...] = ()) -> Plan:
    """Check paths, rows, stages, runtimes, profiles and disk, and return the plan.

    Raises a subclass of InputError for the first thing that cannot work; nothing is written.
    """
    devices = _profiles(profiles) if profiles else _profiles(recipe.profiles, recipe.folder)
    RunFolder(out).owner()
    teacher = open_model(
        recipe.teacher.path,
        task=recipe.teacher.task,
        folder=recipe.folder,
        max_length=recipe.teacher.max_length,
    )
    layout = lay_out(recipe, outline_of(teacher))
    check_devices(devices, layout.formats)
    check_runtimes(layout)
    check_places(out, default_cache().root, teacher)
    task = task_of(teacher.task)
    data = load_dataset(recipe.data, recipe.folder, recipe.seed, task)
    data = _fit_labels(recipe, teacher, data, task)
    warnings = [*layout.warnings, *data.warnings, *assumed(teacher)]
    warnings += cut_texts(teacher, data.train.inputs)
    device = Job.nearest(devices)
    warnings += [
        f"profile {profile.name}: {why}; its verdict will be WRONG_DEVICE"
        for profile in devices
        if (why := device.why_elsewhere(profile))
    ]
    warnings += [said for one in devices for said in quantization_for(one, device.facts()).remarks]
    return Plan(
        recipe=recipe,
        teacher=teacher,
        data=data,
        profiles=devices,
        device=device,
        target=target_for(devices, device.facts()),
        steps=tuple(layout.steps),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _profiles(names: tuple[str, ...], folder: Path = Path()) -> tuple[DeviceProfile, ...]:
    return named_apart(
        load_profile(folder / Path(name).expanduser() if _names_file(name) else name)
        for name in names
    )


def _names_file(name: str) -> bool:
    return name.endswith(".toml") or "/" in name


def target_for(devices: Sequence[DeviceProfile], facts: Facts) -> Target:
    """Return what suits every profile: no 8-bit dot product if one profile lacks it."""
    return Target(
        runtime=devices[0].runtime.name,
        int8_dot=all(target_int8_dot(device, facts) for device in devices),
        threads=devices[0].runtime.threads,
    )


def _fit_labels(recipe: Recipe, teacher: Artifact, data: Dataset, task: Task) -> Dataset:
    if any(stage.teaches for stage in recipe.stages):
        return data
    if not teacher.labels:
        raise RecipeError(
            f"the teacher {recipe.teacher.path} has no classification head",
            expected="a fine-tuned text classifier, or a recipe that trains one",
            action='add [[stage]] kind = "finetune" as the first stage',
        )
    return task.aligned(data, teacher.labels)


def _settings(stage: Stage) -> str:
    """List the settings that differ from the stage's defaults."""
    defaults = {column.name: column.default for column in dataclasses.fields(stage)}
    return ", ".join(
        f"{name} {value}"
        for name, value in settings_of(stage).items()
        if value != defaults[name] and value not in (None, (), [])
    )

"""Check a whole recipe before any training, and say what will be done."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from profiles.device import DeviceProfile, load_profile
from profiles.probe import Facts, probe, target_int8_dot
from runtimes.artifact import Artifact
from runtimes.errors import InputError, RecipeError, UnsupportedError
from runtimes.session import RUNTIMES, Runtime

from compress.data import Dataset, align_labels, load_dataset
from compress.recipe import Recipe
from compress.stage import STAGES, Stage, Target, settings_of
from compress.teacher import open_model

RUNTIME_OF = {"onnx": "onnxruntime", "openvino": "openvino", "tensorrt": "onnxruntime"}
"""What runs each exported format on a host; TensorRT-ready ONNX runs in its proxy."""

REFERENCE = "reference"
_COPIES = 8
"""A run writes about so many times the teacher's weights: stages, exports, checkpoints."""


@dataclass(frozen=True, slots=True)
class Step:
    """Name one stage of a plan and the step whose artifact it takes.

    `trunk` steps follow one another; the others branch off for an export or a measurement.
    `final` steps end in a model that could be deployed.
    """

    name: str
    stage: Stage
    source: str
    trunk: bool
    final: bool = False
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold what a checked recipe will do."""

    recipe: Recipe
    teacher: Artifact
    data: Dataset
    profiles: tuple[DeviceProfile, ...]
    facts: Facts
    target: Target
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]

    @property
    def teacher_step(self) -> str:
        """Return the step whose artifact is the teacher: the last fine-tuning, or the import."""
        tuned = [step.name for step in self.steps if step.stage.kind == "finetune"]
        return tuned[-1] if tuned else "00-teacher"

    def lines(self) -> list[str]:
        """Describe the plan, a line a step."""
        data = self.data
        rows = f"{len(data.train)} train, {len(data.validation)} validation, {len(data.test)} test"
        head = [
            f"teacher   {self.recipe.teacher.path} ({self.teacher.model_type},"
            f" {self.teacher.parameters / 1e6:.1f} M parameters)",
            f"data      {rows}, {len(data.labels)} classes"
            + (f", {len(data.unlabeled)} unlabelled" if data.unlabeled else ""),
            f"profiles  {', '.join(profile.name for profile in self.profiles)}",
        ]
        return head + [f"{step.name:<26}{_settings(step.stage)}" for step in self.steps]


def make_plan(recipe: Recipe, out: Path, *, profiles: tuple[str, ...] = ()) -> Plan:
    """Check paths, rows, stages, runtimes, profiles and disk, and return what will be done.

    Raises InputError's kinds for the first thing that cannot work; nothing is written.
    """
    devices = _profiles(profiles or recipe.profiles, recipe.folder)
    facts = probe()
    _check_runtimes(recipe)
    teacher = open_model(
        recipe.teacher.path,
        task=recipe.teacher.task,
        folder=recipe.folder,
        max_length=recipe.teacher.max_length,
    )
    data = load_dataset(recipe.data, recipe.folder, recipe.seed)
    data = _fit_labels(recipe, teacher, data)
    steps = _steps(recipe)
    warnings = [*data.warnings, *_check_stages(steps, teacher)]
    _check_disk(out, teacher)
    return Plan(
        recipe=recipe,
        teacher=teacher,
        data=data,
        profiles=devices,
        facts=facts,
        target=_target(devices, facts),
        steps=steps,
        warnings=tuple(warnings),
    )


def _profiles(names: tuple[str, ...], folder: Path) -> tuple[DeviceProfile, ...]:
    if not names:
        raise RecipeError("no profiles", expected='profiles = ["local"] or --profile NAME')
    return tuple(
        load_profile(str(folder / name) if name.endswith(".toml") else name) for name in names
    )


def _target(devices: tuple[DeviceProfile, ...], facts: Facts) -> Target:
    """Return what suits every profile: without an 8-bit dot product on one, on none."""
    return Target(
        runtime=devices[0].runtime.name,
        int8_dot=all(target_int8_dot(device, facts) for device in devices),
        threads=devices[0].runtime.threads,
    )


def _check_runtimes(recipe: Recipe) -> None:
    for form in recipe.export.formats:
        runtime: Runtime = RUNTIMES.resolve(RUNTIME_OF[form])()
        state = runtime.availability()
        if not state.ok:
            raise UnsupportedError(
                f"[export] formats has {form!r}, but {runtime.name} is not usable: {state.reason}",
                action="install it, or leave the format out; see `edgepress doctor`",
            )


def _fit_labels(recipe: Recipe, teacher: Artifact, data: Dataset) -> Dataset:
    if any(stage.kind == "finetune" for stage in recipe.stages):
        return data
    if not teacher.labels:
        raise RecipeError(
            f"the teacher {recipe.teacher.path} has no classification head",
            expected="a fine-tuned classifier, or a recipe that trains one",
            action='add [[stage]] kind = "finetune" as the first stage',
        )
    return align_labels(data, teacher.labels)


def _steps(recipe: Recipe) -> tuple[Step, ...]:
    """Lay out the trunk of torch stages, then a branch of export and quantization a format."""
    export = STAGES.resolve("export")
    steps: list[Step] = []
    last = "00-teacher"
    trunk, quantize = _divide(recipe.stages)
    for number, stage in enumerate(trunk, start=1):
        name = f"{number:02d}-{stage.kind}"
        steps.append(Step(name, stage, last, trunk=True))
        last = name
    points = ["00-teacher", *(step.name for step in steps)]
    tuned = [step.name for step in steps if step.stage.kind == "finetune"]
    teacher = tuned[-1] if tuned else "00-teacher"
    for point in points[points.index(teacher) :]:
        name = REFERENCE if point == teacher else f"{point}-onnx"
        steps.append(Step(name, export(format="onnx"), point, trunk=False, measured=True))
    number = len(trunk) + 1
    for form in recipe.export.formats:
        source = last
        name = REFERENCE if last == teacher else f"{last}-onnx"
        if form != "onnx":
            name = f"{number:02d}-export-{form}"
            steps.append(Step(name, export(format=form), source, trunk=False, measured=True))
            number += 1
        if quantize is not None and form != "tensorrt":
            source, name = name, f"{number:02d}-quantize-{form}"
            steps.append(Step(name, quantize, source, trunk=False, measured=True))
            number += 1
        steps = [_as_final(step) if step.name == name else step for step in steps]
    return tuple(steps)


def _as_final(step: Step) -> Step:
    return Step(step.name, step.stage, step.source, step.trunk, final=True, measured=True)


def _divide(stages: tuple[Stage, ...]) -> tuple[list[Stage], Stage | None]:
    """Return the stages on torch models and the quantization after them."""
    trunk = [stage for stage in stages if stage.kind != "quantize"]
    quantize = [stage for stage in stages if stage.kind == "quantize"]
    if len(quantize) > 1:
        raise RecipeError("two quantize stages", expected="one, as the last stage")
    if quantize and stages[-1].kind != "quantize":
        raise RecipeError(
            f"{stages[-1].kind} after quantize",
            expected="quantize last: it works on the exported model, the others on torch models",
        )
    kinds = [stage.kind for stage in trunk]
    if "finetune" in kinds[1:] and kinds[0] != "finetune":
        raise RecipeError(
            f"finetune after {kinds[0]}", expected="finetune first: its result is the teacher"
        )
    if kinds.count("finetune") > 1:
        raise RecipeError("two finetune stages", expected="one, as the first stage")
    return trunk, quantize[0] if quantize else None


def _check_stages(steps: tuple[Step, ...], teacher: Artifact) -> list[str]:
    formats = {"00-teacher": teacher.format}
    warnings: list[str] = []
    for step in steps:
        source = formats[step.source]
        if source not in step.stage.accepts:
            raise UnsupportedError(
                f"{step.name} cannot take format {source!r}",
                expected=" or ".join(step.stage.accepts),
            )
        formats[step.name] = step.stage.produces(source)
        warnings += step.stage.check(teacher.model_type, source)
    return list(dict.fromkeys(warnings))


def _check_disk(out: Path, teacher: Artifact) -> None:
    place = out.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{out}: cannot be written ({place} is not a writable folder)")
    needed = _COPIES * teacher.size_bytes()
    free = shutil.disk_usage(place).free
    if free < needed:
        raise InputError(
            f"{place}: {free / 1e6:.0f} MB free",
            expected=f"about {needed / 1e6:.0f} MB for the stages of this teacher",
            action="free some (`edgepress cache prune`), or choose another --out",
        )


def _settings(stage: Stage) -> str:
    return ", ".join(
        f"{name} {value}" for name, value in settings_of(stage).items() if value not in (None, (), [])
    )

"""Check a whole recipe before any training, and say what will be done."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from compress.data.dataset import Dataset, load_dataset
from compress.judge.judging import REFERENCE
from compress.models.teacher import open_model
from compress.recipe import Recipe
from compress.run.cache import default_cache
from compress.run.preflight import (
    check_devices,
    check_layers,
    check_places,
    check_precisions,
    cut_texts,
    model_type_after,
)
from compress.run.run_folder import RunFolder
from compress.stage import STAGES, Stage, Target, settings_of
from compress.tasks import Task, task_of
from profiles.device import DeviceProfile, load_profile
from profiles.job import Job
from profiles.probe import target_int8_dot
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError, UnsupportedError
from runtimes.facts import Facts
from runtimes.session import RUNTIMES, Runtime, runs_in

TEACHER = "00-teacher"


@dataclass(frozen=True, slots=True)
class Step:
    """Name one stage of a plan and the step whose artifact it takes.

    `trunk` steps follow one another; the others branch off for an export or a measurement.
    `final` steps end in a model that could be deployed. A `measured` step has a row of figures
    in the report, which is that of `stands_for` when a torch model is run by its export.
    """

    name: str
    stage: Stage
    source: str
    trunk: bool
    final: bool = False
    measured: bool = False
    stands_for: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold what a checked recipe will do.

    With `refit` rows all stages but a fine-tuning learn from these: what was chosen on the
    validation rows is fixed by then.
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
        """Return the hardware of what is measured on."""
        return self.device.facts()

    @property
    def teacher_step(self) -> str:
        """Return the step whose artifact is the teacher: the last fine-tuning, or the import."""
        tuned = [step.name for step in self.steps if step.stage.kind == "finetune"]
        return tuned[-1] if tuned else TEACHER

    def rows_for(self, stage: Stage) -> Dataset:
        """Return the rows that a stage learns from."""
        return self.data if self.refit is None or stage.kind == "finetune" else self.refit

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
        return head + [
            f"{step.name:<22}{step.stage.kind} {step.source}  {_settings(step.stage)}".rstrip()
            for step in self.steps
        ]


def make_plan(recipe: Recipe, out: Path, *, profiles: tuple[str, ...] = ()) -> Plan:
    """Check paths, rows, stages, runtimes, profiles and disk, and return what will be done.

    Raises InputError's kinds for the first thing that cannot work; nothing is written.
    """
    steps = steps_of(recipe)
    devices = _profiles(profiles) if profiles else _profiles(recipe.profiles, recipe.folder)
    check_devices(devices, recipe.export.formats)
    check_precisions(recipe.stages, recipe.export.formats)
    _check_runtimes(recipe)
    RunFolder(out).owner()
    teacher = open_model(
        recipe.teacher.path,
        task=recipe.teacher.task,
        folder=recipe.folder,
        max_length=recipe.teacher.max_length,
    )
    check_places(out, default_cache().root, teacher)
    check_layers(recipe.stages, teacher)
    warnings = _check_stages(steps, teacher)
    task = task_of(teacher.task)
    data = load_dataset(recipe.data, recipe.folder, recipe.seed, task)
    data = _fit_labels(recipe, teacher, data, task)
    warnings += [*data.warnings, *cut_texts(teacher, data.train.inputs)]
    device = Job.nearest(devices)
    warnings += [
        f"profile {profile.name}: {why}; its verdict will be WRONG_DEVICE"
        for profile in devices
        if (why := device.why_elsewhere(profile))
    ]
    return Plan(
        recipe=recipe,
        teacher=teacher,
        data=data,
        profiles=devices,
        device=device,
        target=_target(devices, device.facts()),
        steps=steps,
        warnings=tuple(warnings),
    )


def _profiles(names: tuple[str, ...], folder: Path = Path()) -> tuple[DeviceProfile, ...]:
    return tuple(
        load_profile(folder / Path(name).expanduser() if _names_file(name) else name)
        for name in names
    )


def _names_file(name: str) -> bool:
    return name.endswith(".toml") or "/" in name


def _target(devices: tuple[DeviceProfile, ...], facts: Facts) -> Target:
    """Return what suits every profile: without an 8-bit dot product on one, on none."""
    return Target(
        runtime=devices[0].runtime.name,
        int8_dot=all(target_int8_dot(device, facts) for device in devices),
        threads=devices[0].runtime.threads,
    )


def _check_runtimes(recipe: Recipe) -> None:
    for form in recipe.export.formats:
        made = STAGES.resolve("export")(format=form).produces("huggingface")
        runtime: Runtime = RUNTIMES.resolve(runs_in(made))()
        state = runtime.availability()
        if not state.ok:
            raise UnsupportedError(
                f"[export] formats has {form!r}, but {runtime.name} is not usable: {state.reason}",
                action="install it, or leave the format out; see `edgepress doctor`",
            )


def _fit_labels(recipe: Recipe, teacher: Artifact, data: Dataset, task: Task) -> Dataset:
    if any(stage.kind == "finetune" for stage in recipe.stages):
        return data
    if not teacher.labels:
        raise RecipeError(
            f"the teacher {recipe.teacher.path} has no classification head",
            expected="a fine-tuned text classifier, or a recipe that trains one",
            action='add [[stage]] kind = "finetune" as the first stage',
        )
    return task.aligned(data, teacher.labels)


def steps_of(recipe: Recipe) -> tuple[Step, ...]:
    """Lay out the trunk of torch stages, then a branch of export and quantization a format."""
    export = STAGES.resolve("export")
    steps: list[Step] = []
    last = TEACHER
    trunk, quantize = _divide(recipe.stages)
    for number, stage in enumerate(trunk, start=1):
        name = f"{number:02d}-{stage.kind}"
        steps.append(Step(name, stage, last, trunk=True))
        last = name
    points = [TEACHER, *(step.name for step in steps)]
    tuned = [step.name for step in steps if step.stage.kind == "finetune"]
    teacher = tuned[-1] if tuned else TEACHER
    for point in points[points.index(teacher) :]:
        name = REFERENCE if point == teacher else f"{point}-onnx"
        steps.append(
            Step(name, export(format="onnx"), point, trunk=False, measured=True, stands_for=point)
        )
    number = len(trunk) + 1
    for form in recipe.export.formats:
        name = REFERENCE if last == teacher else f"{last}-onnx"
        if form != "onnx":
            source, name = name, f"{number:02d}-export-{form}"
            steps.append(Step(name, export(format=form), source, trunk=False))
            number += 1
        if quantize is not None and form != "tensorrt":
            source, name = name, f"{number:02d}-quantize-{form}"
            steps.append(Step(name, quantize, source, trunk=False))
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
        raise RecipeError(
            "two quantize stages",
            expected="one, as the last stage",
            action="leave one out, or write a recipe for each scheme",
        )
    if quantize and stages[-1].kind != "quantize":
        raise RecipeError(
            f"{stages[-1].kind} after quantize",
            expected="quantize last: it works on the exported model, the others on torch models",
            action="move quantize to the end",
        )
    kinds = [stage.kind for stage in trunk]
    if "finetune" in kinds[1:] and kinds[0] != "finetune":
        raise RecipeError(
            f"finetune after {kinds[0]}",
            expected="finetune first: its result is the teacher",
            action="move it to the front; distil and prune recover by distillation",
        )
    if kinds.count("finetune") > 1:
        raise RecipeError(
            "two finetune stages",
            expected="one, as the first stage",
            action='leave one out; method = "probe-then-full" trains in two steps',
        )
    return trunk, quantize[0] if quantize else None


def _check_stages(steps: tuple[Step, ...], teacher: Artifact) -> list[str]:
    formats = {TEACHER: teacher.format}
    types = {TEACHER: teacher.model_type}
    warnings: list[str] = []
    for step in steps:
        source = formats[step.source]
        if source not in step.stage.accepts:
            raise UnsupportedError(
                f"{step.name} cannot take format {source!r}",
                expected=" or ".join(step.stage.accepts),
                action="start from the torch model that it was exported from",
            )
        formats[step.name] = step.stage.produces(source)
        types[step.name] = model_type_after(step.stage, types[step.source], teacher.task)
        warnings += step.stage.check(types[step.source], source)
    return list(dict.fromkeys(warnings))


def _settings(stage: Stage) -> str:
    """Write the settings that are not the stage's defaults."""
    defaults = {column.name: column.default for column in dataclasses.fields(stage)}  # type: ignore[arg-type]
    return ", ".join(
        f"{name} {value}"
        for name, value in settings_of(stage).items()
        if value != defaults[name] and value not in (None, (), [])
    )

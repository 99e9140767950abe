"""The steps of a run: a trunk of torch models, then a branch for each exported format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from compress.export.formats import ROUTES
from compress.judge.evaluation import REFERENCE
from compress.recipe import Recipe
from compress.stage import STAGES, TORCH, Outline, Stage, check_packages
from runtimes.errors import RecipeError, UnsupportedError
from runtimes.runtime import RUNTIMES, Runtime, runs_in

TEACHER = "00-teacher"
_EXPORTED = "onnx"
"""The format that other formats are made of; a stage may end the trunk with it."""


@dataclass(frozen=True, slots=True)
class Step:
    """Hold one stage of a plan and the name of the step whose artifact it takes.

    `trunk` steps follow one another; the others branch off for an export or a measurement. `final`
    steps end in a model that could be deployed. A `measured` step has a row of figures in the
    report. It is the row of the step `stands_for` where the export is measured in place of a torch
    model.
    """

    name: str
    stage: Stage
    source: str
    trunk: bool
    final: bool = False
    measured: bool = False
    stands_for: str | None = None


@dataclass(slots=True)
class StepTree:
    """Hold the steps of a recipe and the outline of each step's result.

    `formats` are the formats of the deployed models, one for each branch.
    """

    outlines: dict[str, Outline]
    steps: list[Step] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, step: Step) -> str:
        """Add a step if its stage can do it, and return its name."""
        source = self.outlines[step.source]
        if source.format not in step.stage.accepts:
            raise UnsupportedError(
                f"{step.name} cannot take format {source.format!r}",
                expected=" or ".join(step.stage.accepts),
                action="start from the torch model that it was exported from"
                if step.trunk
                else "leave the stage out, or the format under [export]",
            )
        check_packages(step.stage, source.format)
        self.warnings += step.stage.check(source)
        self.outlines[step.name] = step.stage.leaves(source)
        self.steps.append(step)
        return step.name

    def shared(self, step: Step) -> str:
        """Add a step of an exported model, unless there is the same; return its name."""
        same = (step.stage, step.source)
        known = (one.name for one in self.steps if (one.stage, one.source) == same)
        return next(known, None) or self.add(step)

    def measure(self, name: str) -> None:
        """Give a step's result a row of figures."""
        self.steps = [
            replace(step, measured=True) if step.name == name else step for step in self.steps
        ]

    def numbered(self, name: str) -> str:
        """Return a step's name with its number; an export only for a measurement has none."""
        return f"{1 + sum(step.stands_for is None for step in self.steps):02d}-{name}"

    def end(self, name: str, form: str) -> None:
        """Mark this step as the end of the branch that began with the export to `form`.

        From a closed export, another tool builds the final file; then the export's format is
        `form`.
        """
        last = self.outlines[name]
        self.formats.append(form if last.closed else last.format)
        self.steps = [
            replace(step, final=True, measured=True, stands_for=None) if step.name == name else step
            for step in self.steps
        ]


def lay_out(recipe: Recipe, teacher: Outline) -> StepTree:
    """Lay out the trunk of torch stages, then a branch of export and later stages for each format.

    Raises RecipeError for a wrong order of stages, UnsupportedError when a stage or a runtime does
    not support the model.
    """
    trunk, exported = _divide(recipe.stages)
    layout = StepTree({TEACHER: teacher})
    last = TEACHER
    for number, stage in enumerate(trunk, start=1):
        retrained = any(later.retrains for later in trunk[number:])
        layout.outlines[last] = replace(layout.outlines[last], retrained=retrained)
        last = layout.add(Step(layout.numbered(stage.kind), stage, last, trunk=True))
    points = _measuring_points(layout)
    form = layout.outlines[last].format
    if form not in (TORCH, _EXPORTED):
        _end_here(layout, recipe, last, exported)
        return layout
    if form == _EXPORTED:
        layout.measure(last)
        points[last] = last
    plain = points[last]
    ends = [_branch(layout, form, (last, plain), exported) for form in recipe.export.formats]
    for name, form in zip(ends, recipe.export.formats, strict=True):
        layout.end(name, form)
    return layout


def _end_here(layout: StepTree, recipe: Recipe, name: str, stages: Sequence[Stage]) -> None:
    """End at a stage of the trunk that makes what is deployed; nothing is exported.

    Raises RecipeError where the recipe asks for an export, UnsupportedError where it goes on.
    """
    form = layout.outlines[name].format
    if "formats" in recipe.export.model_fields_set:
        raise RecipeError(
            f"[export] formats, after a stage that makes format {form!r}",
            expected="no [export]: that model is finished",
            action="leave [export] out",
        )
    for stage in stages:
        layout.add(Step(layout.numbered(stage.kind), stage, name, trunk=False))
    layout.end(name, form)


def teacher_step(steps: Sequence[Step]) -> str:
    """Return the step whose artifact is the teacher: that of a teaching stage, or the import."""
    made = [step.name for step in steps if step.trunk and step.stage.teaches]
    return made[-1] if made else TEACHER


def _measuring_points(layout: StepTree) -> dict[str, str]:
    """Export the teacher and each torch model after it to ONNX; return these steps.

    What is no torch model, is measured as it is.
    """
    export = STAGES.resolve("export")
    points = [TEACHER, *(step.name for step in layout.steps)]
    teacher = teacher_step(layout.steps)
    return {
        point: layout.add(
            Step(
                REFERENCE if point == teacher else f"{point}-onnx",
                export(format="onnx"),
                point,
                trunk=False,
                measured=True,
                stands_for=point,
            )
        )
        for point in points[points.index(teacher) :]
        if layout.outlines[point].format == TORCH
    }


def _branch(layout: StepTree, form: str, made: tuple[str, str], stages: Sequence[Stage]) -> str:
    """Add one format's steps; `made` are the torch model's step and its ONNX export's.

    Returns the last step's name. A step that another format has too is not added twice.
    """
    name, plain = made
    before, after = ROUTES[form]
    for export in before:
        name = plain if export == "onnx" else _exported(layout, export, name)
    if layout.outlines[name].closed:
        _check_closed(stages, layout.outlines[plain], form)
        return name
    for stage in stages:
        label = f"{stage.kind}-{layout.outlines[name].format}"
        name = layout.shared(Step(layout.numbered(label), stage, name, trunk=False))
        outline = layout.outlines[name]
        _check_precision(stage, outline.precision, outline.format)
    for export in after:
        name = _exported(layout, export, name)
    return name


def _exported(layout: StepTree, form: str, source: str) -> str:
    """Add the export of a step's result to a format, and return its name."""
    export = STAGES.resolve("export")(format=form)
    return layout.shared(Step(layout.numbered(f"export-{form}"), export, source, trunk=False))


def _check_closed(stages: Sequence[Stage], plain: Outline, form: str) -> None:
    """Check that the tool for a closed export has the precisions of its stages."""
    for stage in stages:
        if plain.format in stage.accepts:
            plain = stage.leaves(plain)
            _check_precision(stage, plain.precision, form)


def _check_precision(stage: Stage, precision: str, form: str) -> None:
    runtime: type[Runtime] = RUNTIMES.resolve(runs_in(form))
    if precision not in runtime.precisions:
        raise UnsupportedError(
            f"{stage.kind} to {precision} for format {form!r}: {runtime.name} has no {precision}",
            available=", ".join(runtime.precisions),
            action="choose another precision, or leave the format out under [export]",
        )


def _divide(stages: Sequence[Stage]) -> tuple[list[Stage], list[Stage]]:
    """Return the stages on torch models and those on exported ones, in the recipe's order."""
    trunk: list[Stage] = []
    exported: list[Stage] = []
    for stage in stages:
        if exported and set(stage.accepts) == {TORCH}:
            first = exported[0].kind
            raise RecipeError(
                f"{stage.kind} after {first}",
                expected=f"{first} later: it works on the exported model, {stage.kind} on torch's",
                action=f"move {first} to the end",
            )
        on_torch = TORCH in stage.accepts and not exported
        (trunk if on_torch else exported).append(stage)
    _check_teaching(trunk)
    return trunk, exported


def _check_teaching(trunk: Sequence[Stage]) -> None:
    """Raise RecipeError unless the stage that makes the teacher is the first and only one."""
    teaching = [stage for stage in trunk if stage.teaches]
    if teaching and not trunk[0].teaches:
        raise RecipeError(
            f"{teaching[0].kind} after {trunk[0].kind}",
            expected=f"{teaching[0].kind} first: its result is the teacher",
            action="move it to the front; distill and prune recover by distillation",
        )
    if len(teaching) > 1:
        kinds = " and ".join(dict.fromkeys(stage.kind for stage in teaching))
        raise RecipeError(
            f"two {kinds} stages, each of which makes the teacher",
            expected="one, as the first stage",
            action='leave one out; finetune\'s method = "probe-then-full" trains in two steps',
        )

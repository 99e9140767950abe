"""Make a search's models through the cache: teacher, students, deployable models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from compress.answers import Answers
from compress.answers.deployed import answers
from compress.answers.trained import trained_answers
from compress.data.dataset import Dataset
from compress.data.rows import Rows
from compress.export.formats import ROUTES
from compress.export.stage import Export
from compress.judge.evaluation import REFERENCE, Candidate, Evaluation, Measured
from compress.judge.judging import measure_and_judge
from compress.progress import Progress
from compress.run.cache import Cache
from compress.run.maker import Maker
from compress.run.plan import Plan
from compress.run.side_by_side import Chain, make_side_by_side
from compress.search.schedule import Training
from compress.search.selection import TUNING, base_of
from compress.search.shape import (
    Settings,
    Shape,
    bag_of,
    cut_of,
    learning_of,
    linear_of,
    quantization_of,
)
from compress.search.trial import Latency
from compress.stage import Stage
from compress.tasks import task_of
from profiles.scores import RowScores
from profiles.statistics import Floats
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash
from runtimes.errors import BackendError
from runtimes.measure import Samples
from runtimes.runtime import formats_of, runs_in


@dataclass(slots=True)
class Workshop:
    """Carry out stages on a plan's rows; the test split is left out and never used.

    `selection` teaches and judges the students of the choice: the teacher, or where that has
    learned the validation rows and the recipe names its base, one fine-tuned without them. Students
    of other rows, such as the refit's, learn from the teacher.
    """

    plan: Plan
    kept: Settings
    cache: Cache
    progress: Progress
    data: Dataset = field(init=False)
    teacher: Artifact = field(init=False)
    reference: Artifact = field(init=False)
    selection: Artifact = field(init=False)

    def __post_init__(self) -> None:
        self.data = replace(self.plan.data, test=Rows((), ()))
        self.teacher = self._maker.imported()
        for step in self.plan.steps:
            if step.stage.teaches:
                self.teacher, _ = self._maker.make(
                    step.stage, self.teacher, data=self.data, teacher=None
                )
        self.selection = self._selected()
        self.reference = self._make(Export(format="onnx"), self.teacher)

    def _selected(self) -> Artifact:
        base = base_of(self.plan)
        if base is None:
            return self.teacher
        maker = Maker(replace(self.plan, teacher=base), self.cache, self.progress)
        return maker.make(TUNING, maker.imported(), data=self.data, teacher=None)[0]

    @property
    def control(self) -> Artifact:
        """Return the fp32 ONNX that the choice's retention is measured against."""
        return self._make(Export(format="onnx"), self.selection)

    @property
    def form(self) -> str:
        """Return the format for the first profile's runtime, or else the first one made."""
        formats = self.plan.recipe.export.formats
        return next(iter(formats_of(self.plan.target.runtime, formats)), formats[0])

    def untrained(self, shape: Shape) -> Artifact:
        """Return a deployable model with the speed and size of the shape's final student.

        The final student learns from the validation rows too, and its vocabulary spells them.
        """
        data = refit_rows(self.data)
        if shape.linear:
            return self.made(linear_of(shape, self.kept, judged=False), labeled(data))
        student = self._make(cut_of(shape, self.kept, depth=True), self.teacher, data=data)
        if shape.bag:
            student = self._make(bag_of(shape, 0, self.kept), student, data=data)
        return self.deployed(student, shape, judged=False, data=data)

    def student(
        self, shape: Shape, epochs: int, *, data: Dataset | None = None, seed: int | None = None
    ) -> Artifact:
        """Return the trained fp32 student; a linear one is finished."""
        student = self._teacher(data)
        for stage in learning_of(shape, epochs, self.kept):
            student = self._make(stage, student, data=data, seed=seed)
        return student

    def deployed(
        self,
        student: Artifact,
        shape: Shape,
        *,
        judged: bool = True,
        data: Dataset | None = None,
        seed: int | None = None,
    ) -> Artifact:
        """Return a student exported and quantized; a linear one as it is."""
        for stage in self._deploying(shape, judged=judged):
            student = self._make(stage, student, data=data, seed=seed)
        return student

    def learn_alike(self, one: Training, other: Training) -> bool:
        """Tell whether two trainings make the same fp32 student, which is then made once."""
        stages = [learning_of(t.shape, t.epochs, self.kept) for t in (one, other)]
        return one.seed == other.seed and stages[0] == stages[1]

    def train(self, trainings: Sequence[Training]) -> None:
        """Train students side by side, where that is faster; `student` then has nothing to do."""
        teacher = self._teacher(None)
        chains = [
            Chain(
                learning_of(one.shape, one.epochs, self.kept),
                teacher,
                self._maker.context(self.data, teacher, one.seed),
            )
            for one in trainings
        ]
        make_side_by_side(chains, self.cache, self.progress)

    def make_deployed(
        self, shape: Shape, epochs: int, *, data: Dataset, seeds: Sequence[int]
    ) -> None:
        """Make the deployed models of several seeds side by side, where that is faster.

        `student` and `deployed` then have nothing to do.
        """
        learning = learning_of(shape, epochs, self.kept)
        stages = (*learning, *self._deploying(shape, judged=True))
        teacher = self._teacher(data)
        contexts = [self._maker.context(data, teacher, seed) for seed in seeds]
        if not shape.linear:
            self.ask_teacher(data)
        chains = [Chain(stages, teacher, context) for context in contexts]
        make_side_by_side(chains, self.cache, self.progress)

    def _deploying(self, shape: Shape, *, judged: bool) -> tuple[Stage, ...]:
        if shape.linear:
            return ()
        before, after = ROUTES[self.form]
        if shape.bag:  # it is made in the format that the others are exported to first
            before = before[1:]
        quantization = quantization_of(shape, self.kept, judged=judged)
        return (*map(Export, before), quantization, *map(Export, after))

    def made(self, stage: Stage, data: Dataset) -> Artifact:
        """Return what a stage makes of the teacher and of rows."""
        return self._make(stage, self.teacher, data=data)

    def ask_teacher(self, data: Dataset | None = None) -> None:
        """Compute the teacher's answers to the training rows, which every student learns from."""
        from compress.distill.rows import TrainingRows

        augment = int(self.kept.get("distill", {}).get("augment", 0))
        rows, teacher = data or self.data, self._teacher(data)
        context = self._maker.context(rows, teacher)
        TrainingRows.of(rows, augment, teacher).teacher_answers(teacher, context)

    def scores(self, model: Artifact) -> RowScores:
        """Return a model's scores on the validation rows; a torch model runs as in training."""
        rows = self.data.validation
        given = self.answers_of(model, rows)
        return task_of(model.task).score(given, rows.targets, model.labels)

    def timed(self, models: dict[Shape, Artifact]) -> dict[Shape, Latency]:
        """Measure models beside the teacher's fp32 ONNX on the validation texts."""
        names = {shape: shape.timed_as.name for shape in models}
        candidates = [Candidate(REFERENCE, self.reference, runs_in("onnx"))]
        candidates += [Candidate(names[s], m, runs_in(m.format)) for s, m in models.items()]
        evaluation = Evaluation(
            candidates=candidates,
            judged=candidates[-1].name,
            reference=REFERENCE,
            rows=Rows(self.data.validation.inputs, ()),
            profiles=(),
            tier="quick",
            seed=self.plan.recipe.seed,
            threads=self.plan.target.threads,
        )
        outcome = measure_and_judge(evaluation, device=self.plan.device, progress=self.progress)
        outcome.accept(self.progress)
        known = outcome.of(REFERENCE)
        return {shape: self._latency(outcome.of(name), known) for shape, name in names.items()}

    def _latency(self, model: Measured, reference: Measured) -> Latency:
        """Return the bounded figures' values, or of all runs where too few were undisturbed."""
        metrics = ("latency_p50_ms", "latency_p90_ms", "speedup")
        p50, p90, speedup = (model.value(metric) for metric in metrics)
        if p50 is not None and p90 is not None and speedup is not None:
            return Latency(p50, p90, speedup)
        self.progress.warn(
            "the machine is too busy for clean latencies: the search goes by those of all runs,"
            " which are rough"
        )
        mine, others = _latencies_ms(model.samples), _latencies_ms(reference.samples)
        p50, p90 = np.quantile(mine, (0.5, 0.9))
        return Latency(float(p50), float(p90), float(np.median(others) / p50))

    def answers_of(self, model: Artifact, rows: Rows) -> Answers:
        """Return a model's answers to rows; a torch model runs as in training."""
        if model.format == "huggingface":
            return trained_answers(model, rows.inputs)
        return answers(
            model,
            runs_in(model.format),
            rows.inputs,
            threads=self.plan.target.threads,
            progress=self.progress,
            name="validation",
            shared=self.cache.shared,
            device=self.plan.device,
        )

    @property
    def _maker(self) -> Maker:
        return Maker(self.plan, self.cache, self.progress)

    def _make(
        self,
        stage: Stage,
        source: Artifact,
        *,
        data: Dataset | None = None,
        seed: int | None = None,
    ) -> Artifact:
        rows = self.data if data is None else data
        made, _ = self._maker.make(stage, source, data=rows, teacher=self._teacher(data), seed=seed)
        return made

    def _teacher(self, data: Dataset | None) -> Artifact:
        """Return the teacher of the choice's students, or of those that learn from other rows."""
        return self.selection if data is None else self.teacher


def _latencies_ms(samples: Samples) -> Floats:
    """Return every run's latency; raise BackendError where there is none."""
    latencies = [ms for block in samples.blocks for ms in block.latency_ms]
    if not latencies:
        raise BackendError(
            f"{samples.variant}: its latency was not measured",
            action="see the warnings above; `edgepress doctor` says what works here",
        )
    return np.array(latencies)


def labeled(data: Dataset) -> Dataset:
    """Return a data set without its unlabeled text: only a teacher could answer that."""
    return replace(data, unlabeled=(), digest=stable_hash([data.digest, "labeled"]))


def refit_rows(data: Dataset) -> Dataset:
    """Return the rows with the validation rows added to the training rows.

    By then, the choices made on them are fixed: shape, epochs and settings.
    """
    train, validation = data.train, data.validation
    joined = Rows(train.inputs + validation.inputs, train.targets + validation.targets)
    return replace(data, train=joined, digest=stable_hash([data.digest, "refit"]))

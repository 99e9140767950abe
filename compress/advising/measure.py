"""Measure what could be deployed: the teacher, quantized, untrained students, a linear model."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from compress.answers.deployed import answers
from compress.answers.trained import trained_answers
from compress.data.rows import Rows
from compress.export.formats import ROUTES
from compress.export.stage import Export
from compress.judge.evaluation import REFERENCE, Candidate, Evaluation, Measured
from compress.judge.judging import measure_and_judge
from compress.models.architectures import supports
from compress.progress import Silence
from compress.recipe import parse_stage
from compress.report.schema import Estimate
from compress.run.maker import Maker
from compress.search.ladder import words
from compress.search.rivals import RIVALS
from compress.search.shape import Shape
from compress.search.space import Space, space_of
from compress.search.workshop import Workshop, labeled, refit_rows
from compress.tasks import task_of
from profiles.budget import Budget
from profiles.device import DeviceProfile
from profiles.measurement import Measurement
from profiles.paired import paired_retention
from profiles.scores import RowScores
from runtimes.artifact import Artifact
from runtimes.errors import BackendError
from runtimes.runtime import runs_in

_CONFIDENCE = 0.95
_DEPTHS = (1, 2, 3)
_FAR = 2.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Hold a model's latency, its speed beside the teacher's, its size, and the limits it misses.

    `unknown` are limits that the measurement does not decide, or does not measure.
    """

    p50_ms: float
    p90_ms: float
    speedup: float
    size_mb: float
    missed: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(slots=True)
class Bench:
    """Make and measure models of one plan. `held` are the rows that accuracy is judged on."""

    shop: Workshop
    held: Rows
    refit: bool

    @property
    def cuts(self) -> bool:
        """Tell whether the teacher's architecture can be pruned and distilled."""
        kind = self.shop.teacher.model_type
        return supports(kind, "prune") and supports(kind, "distill")

    def space(self) -> Space:
        """Return the students that the teacher can become."""
        scheme = self.shop.plan.profiles[0].quantization.scheme
        return space_of(self.shop.teacher, scheme, self.shop.form)

    @property
    def bag(self) -> Shape | None:
        """Return the student of no layer that a search tries first, None where there is none."""
        first = self.space().first() if self.cuts else []
        return next((shape for shape in first if shape.bag), None)

    def shapes(self) -> list[Shape]:
        """Return a bag, then whole layers: one without positions, then one, two and three."""
        if not self.cuts:
            return []
        space, bag = self.space(), self.bag
        plain = [
            Shape(n, vocabulary="common", scheme=space.scheme, weights=space.weights[0])
            for n in _DEPTHS
            if n in space.layers
        ]
        free = [dataclasses.replace(plain[0], positions=False)] if False in space.positions else []
        return ([bag] if bag else []) + free + plain

    def untrained(self, shape: Shape) -> Artifact:
        """Return a model with a student's speed and size; that it answers badly is no news."""
        quiet = copy.copy(self.shop)
        quiet.progress = Silence()
        return quiet.untrained(shape)

    def quantized(self) -> Artifact:
        """Return the teacher exported and quantized for the first profile, whatever it loses."""
        shop = self.shop
        row = {"kind": "quantize", "scheme": shop.plan.profiles[0].quantization.scheme}
        before, after = ROUTES[shop.form]
        stage = parse_stage({**row, "max_drop": 1.0}, "advise")
        model = shop.teacher
        maker = Maker(shop.plan, shop.cache, shop.progress)
        for way in (*map(Export, before), stage, *map(Export, after)):
            model, _ = maker.make(way, model, data=shop.data, teacher=shop.teacher)
        return model

    def rivals(self) -> dict[str, Artifact]:
        """Return the linear rivals by name, compiled to lookups.

        Their regularization is that of the best model of words alone on the validation rows; they
        are fitted to labels only. With `refit` they then learn the validation rows too.
        """
        shop = self.shop
        data = labeled(shop.data)
        words = next(iter(RIVALS.values()))
        chosen = shop.made(words, data).history[-1].metrics["regularization"]
        rows = refit_rows(data) if self.refit else data
        return {
            name: shop.made(dataclasses.replace(stage, regularization=chosen), rows)
            for name, stage in RIVALS.items()
        }

    def scores(self, model: Artifact, texts: Sequence[str] | None = None) -> RowScores:
        """Return a model's score of each held row, or of other texts with the same labels."""
        shop, rows = self.shop, tuple(texts or self.held.inputs)
        given = (
            trained_answers(model, rows)
            if model.format == "huggingface"
            else answers(
                model,
                runs_in(model.format),
                rows,
                threads=shop.plan.target.threads,
                progress=shop.progress,
                name=model.format,
                shared=shop.cache.shared,
                device=shop.plan.device,
            )
        )
        targets = self.held.targets[: len(rows)]
        return task_of(model.task).score(given, targets, model.labels)

    def timed(self, models: Mapping[str, Artifact]) -> dict[str, Timing]:
        """Measure all of them in one interleaved session on the held texts."""
        shop = self.shop
        candidates = [Candidate(REFERENCE, shop.reference, runs_in("onnx"))]
        candidates += [Candidate(name, m, runs_in(m.format)) for name, m in models.items()]
        evaluation = Evaluation(
            candidates=candidates,
            judged=candidates[-1].name,
            reference=REFERENCE,
            rows=Rows(self.held.inputs, ()),
            profiles=(),
            tier="quick",
            seed=shop.plan.recipe.seed,
            threads=shop.plan.target.threads,
        )
        outcome = measure_and_judge(evaluation, device=shop.plan.device, progress=shop.progress)
        outcome.accept(shop.progress)
        profile = shop.plan.profiles[0]
        known = outcome.of(REFERENCE)
        return {name: _timing(outcome.of(name), known, profile) for name in (REFERENCE, *models)}


def title_of(shape: Shape) -> str:
    """Return a student's name in the table of options."""
    return "no layer: pieces and pairs of pieces" if shape.bag else words(shape)


def retention(model: RowScores, teacher: RowScores, seed: int) -> Estimate:
    """Return the share of the teacher's score that a model keeps, paired by row."""
    ratio = paired_retention(model, teacher, _CONFIDENCE, seed)
    return Estimate(ratio.value, ratio.lower, ratio.upper, _CONFIDENCE, "each")


def limits(profile: DeviceProfile) -> Iterator[Budget]:
    """Yield the profile's limits that an untrained model can be held against.

    Those of level `warn`, of quality, and of ratios to a reference are left out.
    """
    for budget in profile.budgets.values():
        if budget.level == "error" and not budget.kind.needs_labels and not budget.kind.against:
            yield budget


def _timing(model: Measured, reference: Measured, profile: DeviceProfile) -> Timing:
    """Return the figures of all runs: bounds need more processes than minutes have."""
    mine, theirs = _latencies_ms(model), _latencies_ms(reference)
    p50, p90 = (float(value) for value in np.quantile(mine, (0.5, 0.9)))
    missed, unknown = _judged(model, profile)
    size = model.value("artifact_mb") or float("nan")
    return Timing(p50, p90, float(np.median(theirs)) / p50, size, missed, unknown)


def _latencies_ms(model: Measured) -> list[float]:
    found = [ms for block in model.samples.blocks for ms in block.latency_ms]
    if not found:
        raise BackendError(
            f"{model.candidate.name}: its latency was not measured",
            action="see the warnings above; `edgepress doctor` says what works here",
        )
    return found


def _judged(model: Measured, profile: DeviceProfile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the limits that a model misses, and those that are not decided."""
    missed, unknown = [], []
    for budget in limits(profile):
        figure = model.figures.at(budget.metric, budget.confidence)
        said = f"{budget.metric} {'≤' if budget.side == 'max' else '≥'} {budget.limit:g}"
        if figure is None or figure.value is None:
            unknown.append(said)
        elif not budget.meets(figure.value):
            missed.append(said)
        elif not _surely(budget, figure):
            unknown.append(said)
    return tuple(missed), tuple(unknown)


def _surely(budget: Budget, figure: Measurement) -> bool:
    """Tell whether a figure on the good side of a limit is surely there, or far from it.

    An exact figure is sure, and so is one whose bound meets the limit. Where there are too few
    processes for a bound, half the limit (or twice, from below) is far enough.
    """
    assert figure.value is not None  # the caller has looked
    bound = figure.upper if budget.side == "max" else figure.lower
    if figure.exact or (bound is not None and budget.meets(bound)):
        return True
    margin = _FAR if budget.side == "max" else 1 / _FAR
    return bound is None and budget.meets(figure.value * margin)

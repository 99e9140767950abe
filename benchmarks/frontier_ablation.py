"""What each ingredient of a student contributes: the student made again without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

from benchmarks.frontier_rows import Contestant, figures, measured_together
from compress.search.choice import Standing
from compress.search.request import SearchResult
from compress.search.shape import Settings, Shape, settings_kept
from compress.search.workshop import Workshop
from compress.tasks import task_of
from profiles.paired import paired_retention
from profiles.scores import RowScores
from runtimes.artifact import Artifact


@dataclass(frozen=True, slots=True)
class Ablation:
    """Name an ingredient that is left out or replaced, and how the student is then made.

    What is `of_layers` alone is left out for a student without them.
    """

    name: str
    shape: Callable[[Shape], Shape] = lambda shape: shape
    settings: Settings = field(default_factory=dict)
    of_layers: bool = False

    def kept(self, known: Settings) -> Settings:
        """Return the recipe's settings, updated by this variant's."""
        kinds = known.keys() | self.settings.keys()
        return {kind: {**known.get(kind, {}), **self.settings.get(kind, {})} for kind in kinds}


def _unquantized(shape: Shape) -> Shape:
    return replace(shape, scheme="none", weights="int8", embeddings=None)


def _fewer_pairs(shape: Shape) -> Shape:
    return replace(shape, pairs=shape.pairs // 10) if shape.bag else shape


def _narrower(shape: Shape) -> Shape:
    return replace(shape, hidden=shape.hidden // 2) if shape.bag and shape.hidden else shape


AS_CHOSEN = Ablation("as chosen")
VARIANTS = (
    Ablation("labels alone, no teacher", settings={"distill": {"alpha": 0.0, "augment": 0}}),
    Ablation("no augmented copies", settings={"distill": {"augment": 0}}),
    Ablation("no labels, the teacher alone", settings={"distill": {"alpha": 1.0}}),
    Ablation("half the FFN", lambda shape: replace(shape, ffn=0.5), of_layers=True),
    Ablation(
        "4-bit rounding while training",
        settings={"distill": {"quantization_aware": ["embeddings", "weights"]}},
        of_layers=True,
    ),
    Ablation("one pair in ten", _fewer_pairs),
    Ablation("half the width", _narrower),
    Ablation("8-bit weights", lambda shape: replace(shape, weights="int8")),
    Ablation("8-bit embeddings", lambda shape: replace(shape, embeddings="int8")),
    Ablation("not quantized", _unquantized),
    Ablation("only the rows' own pieces", lambda shape: replace(shape, vocabulary="seen")),
)
"""Each differs from the choice in one ingredient; variants equal to the choice are skipped."""


def ablation(result: SearchResult, row: Standing, tier: str) -> list[dict[str, Any]]:
    """Return the figures of the student as chosen and of each variant, on the validation rows.

    All are trained on the training part for as many epochs, with one seed; `of_chosen` is a
    variant's accuracy as a share of the chosen one's, paired by row, 95 % bounds.
    """
    made = {AS_CHOSEN.name: _made(result, row, AS_CHOSEN)}
    for variant in VARIANTS:
        if _differs(result, row, variant):
            result.request.board.note(f"ablation: {variant.name}")
            made[variant.name] = _made(result, row, variant)
    return _figures(result, made, tier)


def _differs(result: SearchResult, row: Standing, variant: Ablation) -> bool:
    known = settings_kept(result.request.stages)
    if variant.of_layers and row.trial.shape.bag:
        return False
    return variant.shape(row.trial.shape) != row.trial.shape or any(
        known.get(kind, {}).get(name) != value
        for kind, settings in variant.settings.items()
        for name, value in settings.items()
    )


def _made(result: SearchResult, row: Standing, variant: Ablation) -> tuple[Artifact, float]:
    """Return a variant's deployed model and the seconds that it took, 0 from the cache."""
    start = time.monotonic()
    request = result.request
    kept = variant.kept(settings_kept(request.stages))
    shop = Workshop(request.plan, kept, request.cache, request.board)
    shape = variant.shape(row.trial.shape)
    student = shop.student(shape, row.trial.epochs)
    return shop.deployed(student, shape, judged=False), time.monotonic() - start


def _figures(
    result: SearchResult, made: Mapping[str, tuple[Artifact, float]], tier: str
) -> list[dict[str, Any]]:
    request = result.request
    shop = request.workshop()
    ours = version("edgepress")
    contestants = [Contestant("teacher", "teacher", "", shop.reference)]
    contestants += [Contestant(name, "ablation", ours, model) for name, (model, _) in made.items()]
    rows = request.plan.data.validation
    outcome = measured_together(
        contestants,
        rows,
        tier=tier,
        seed=request.plan.recipe.seed,
        progress=request.board,
        shared=request.cache.shared,
    )
    of_variants = []
    chosen: RowScores | None = None
    for one in contestants[1:]:
        measured = outcome.of(one.name)
        assert measured.answers is not None  # validation rows are labeled
        task = task_of(measured.candidate.artifact.task)
        scores = task.score(measured.answers, rows.targets, request.plan.data.labels)
        chosen = scores if chosen is None else chosen
        share = paired_retention(scores, chosen, 0.95, request.plan.recipe.seed)
        row = figures(one, measured) | {"of_chosen": asdict(share), "seconds": made[one.name][1]}
        of_variants.append(row)
    return of_variants

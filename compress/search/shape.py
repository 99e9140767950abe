"""The shape of a student: what a search chooses, and the stages that make it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress.recipe import parse_stage
from compress.stage import Stage, settings_of

Settings = Mapping[str, Mapping[str, Any]]
"""Settings by the kind of stage, without those that a shape decides."""

DECIDED = {
    "distill": {"layers", "keep", "student", "epochs", "patience"},
    "prune": {
        *("layers", "ffn", "heads", "hidden", "positions", "recovery_epochs"),
        *("vocabulary", "vocabulary_floor", "alphabet"),
    },
    "quantize": {"scheme", "weights", "embeddings"},
    "linear": {"shortest", "longest", "features"},
    "bag": {"width", "inner", "blocks", "pairs", "epochs"},
}
"""The settings of each stage that the search decides; a recipe may set the others."""

VOCABULARIES: dict[str, dict[str, Any]] = {
    "frequent": {"vocabulary_floor": 8000, "alphabet": "all"},
    "common": {"vocabulary_floor": 5000, "alphabet": "seen"},
    "spelling": {"vocabulary_floor": 0, "alphabet": "all"},
    "seen": {"vocabulary_floor": 0, "alphabet": "seen"},
}
"""Pruned vocabularies, the largest first for most rows: at least 8,000 or 5,000 pieces, filled with
the most frequent pieces that the rows lack; all pieces that spell any word; and the pieces that
spell the characters of the rows."""

_STATIC_RATE = 1e-3
_INNER = 2
"""The inner units of a bag student for each of its vectors' numbers."""
_OF_DISTILL = ("temperature", "alpha", "augment", "own_rows", "batch_size")
"""What a bag student takes of the recipe's distillation."""
_QUICK = {"augment": 0, "regularization": 1.0}
_COPIES = 2

N_GRAMS: dict[str, dict[str, Any]] = {
    "characters": {"shortest": 1, "longest": 5},
    "words": {"shortest": 1, "longest": 0},
}
"""What a linear student counts: words, pairs of words and each word's characters; or no
characters."""


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """Describe what remains of a teacher, and in how many bits.

    `layers` is the number of remaining layers, the last one included; `ffn` and `heads` are the
    removed shares, 0 to 0.95; `hidden` is the remaining width, None for the teacher's. `vocabulary`
    is one of VOCABULARIES. Without `positions` the order of the words is lost, and one layer is
    faster. `weights` is the type of the one-token products' weights. `embeddings` None uses the
    scheme's default width.

    Without layers it is a static student, whose vector is the mean of its tokens': of the cuts,
    only `vocabulary` and `embeddings` change it. With `pairs` it is a bag of pieces and of so many
    pairs of them, whose vectors are `hidden` wide, with `blocks` residual FFNs. Or it is a linear
    one, with none of these cuts: `n_grams` is one of N_GRAMS, and `features` of them are kept.
    """

    layers: int
    ffn: float = 0.0
    heads: float = 0.0
    hidden: int | None = None
    vocabulary: str = "seen"
    scheme: str = "int8-dynamic"
    weights: str = "int8"
    embeddings: str | None = None
    positions: bool = True
    n_grams: str = ""
    features: int = 0
    pairs: int = 0
    blocks: int = 0

    @property
    def linear(self) -> bool:
        """Tell whether it is a linear student."""
        return bool(self.n_grams)

    @property
    def bag(self) -> bool:
        """Tell whether it is a bag of pieces and of their pairs."""
        return self.pairs > 0

    @property
    def depth(self) -> tuple[int, bool]:
        """Return how many layers it has, and whether it is a bag, which has none."""
        return self.layers, self.bag

    @property
    def static(self) -> bool:
        """Tell whether it is a table of token vectors."""
        return self.layers == 0 and not self.linear and not self.bag

    def keeps_more_than(self, other: Shape) -> bool:
        """Tell whether it is a linear student with more n-grams of the same kind."""
        same = self.linear and self.n_grams == other.n_grams
        return same and self.features > other.features

    def coarser_than(self, other: Shape) -> bool:
        """Tell whether it is the other student with embeddings in 4 bits instead of 8."""
        finer = (self.embeddings, other.embeddings) == ("int4", "int8")
        return finer and dataclasses.replace(self, embeddings=other.embeddings) == other

    @property
    def name(self) -> str:
        """Return a name that also suits files: "1-layer-ffn50-int8-dynamic-int4"."""
        if self.linear:
            return f"linear-{self.n_grams}-{self.features}"
        parts = [self._kind]
        parts += [f"blocks{self.blocks}"] if self.blocks else []
        parts += [f"ffn{_percent(1 - self.ffn)}"] if self.ffn else []
        parts += [f"heads{_percent(1 - self.heads)}"] if self.heads else []
        parts += [f"hidden{self.hidden}"] if self.hidden else []
        parts += [] if self.positions or not self.layers else ["unordered"]
        parts += [self.vocabulary] if self.vocabulary != "seen" else []
        parts += [self.scheme]
        parts += [f"weights-{self.weights}"] if self.weights != "int8" else []
        parts += [self.embeddings] if self.embeddings else []
        return "-".join(parts)

    @property
    def _kind(self) -> str:
        if self.bag:
            return f"bag-pairs{self.pairs}"
        return "static" if self.static else f"{self.layers}-layer"

    @property
    def timed_as(self) -> Shape:
        """Return the shape that has the same latency: a lookup's width costs no time.

        In a bag student most of the time is the lookup.
        """
        embeddings = self.embeddings if self.bag else None
        return dataclasses.replace(self, vocabulary="seen", embeddings=embeddings)

    @property
    def rounded(self) -> list[str]:
        """Return what distillation may round during training: everything with 4 bits."""
        narrow = {"embeddings": self.embeddings, "weights": self.weights}
        return [name for name, width in narrow.items() if width == "int4"]

    def to_json(self) -> dict[str, Any]:
        """Return the shape as JSON values."""
        return dataclasses.asdict(self)


def _percent(share: float) -> str:
    return f"{100 * share:g}"


def settings_kept(stages: Sequence[Stage]) -> dict[str, dict[str, Any]]:
    """Return the settings of a recipe's stages that shapes do not decide, by the kind of stage."""
    return {
        stage.kind: {
            name: value
            for name, value in settings_of(stage).items()
            if name not in DECIDED[stage.kind]
        }
        for stage in stages
        if stage.kind in DECIDED
    }


def cut_of(shape: Shape, kept: Settings, *, depth: bool = False) -> Stage:
    """Return the stage that cuts widths and vocabulary before any training.

    With `depth`, layers are removed too: the model then has the student's speed and size. Otherwise
    units are ranked in the whole teacher, whose layers still work as they were trained.
    """
    row: dict[str, Any] = {
        **kept.get("prune", {}),
        "vocabulary": True,
        **VOCABULARIES[shape.vocabulary],
        "recovery_epochs": 0,
    }
    if shape.bag:  # it takes the teacher's pieces and their vectors alone
        return _stage("prune", row, shape)
    row |= {"ffn": shape.ffn, "heads": shape.heads, "positions": shape.positions}
    row |= {"hidden": shape.hidden} if shape.hidden else {}
    row |= {"layers": shape.layers} if depth else {}
    return _stage("prune", row, shape)


def training_of(shape: Shape, epochs: int, kept: Settings) -> Stage:
    """Return the distillation that removes layers and trains the rest.

    Of the parts that the recipe rounds in training, only those that the shape has in 4 bits are
    rounded. A table of vectors learns at its own rate.
    """
    row = {**kept.get("distill", {}), "layers": shape.layers, "epochs": epochs}
    row |= {"learning_rate": _STATIC_RATE} if shape.static else {}
    asked = row.get("quantization_aware", [])
    row["quantization_aware"] = [name for name in shape.rounded if name in asked]
    return _stage("distill", row, shape)


def bag_of(shape: Shape, epochs: int, kept: Settings) -> Stage:
    """Return the distillation of a bag student; with 0 epochs it has its size and speed alone.

    What the recipe's own stage does not say of the loss and the rows is as in its distillation.
    """
    assert shape.hidden is not None
    distill = kept.get("distill", {})
    row = {
        **{name: distill[name] for name in _OF_DISTILL if name in distill},
        **kept.get("bag", {}),
        "width": shape.hidden,
        "inner": _INNER * shape.hidden,
        "blocks": shape.blocks,
        "pairs": shape.pairs,
        "epochs": epochs,
    }
    return _stage("bag", row, shape)


def quantization_of(shape: Shape, kept: Settings, *, judged: bool = True) -> Stage:
    """Return the quantization; if the student is not `judged`, any loss is accepted."""
    row = {**kept.get("quantize", {}), "scheme": shape.scheme}
    row |= {"weights": shape.weights, "embeddings": shape.embeddings}
    return _stage("quantize", row if judged else {**row, "max_drop": 1.0}, shape)


def linear_of(shape: Shape, kept: Settings, *, judged: bool = True) -> Stage:
    """Return the stage that makes a linear student.

    Where the recipe has no such stage, it learns from the augmented copies that students are
    distilled with, two at most: each takes the teacher's answers and lengthens the fit. One that is
    not `judged` has the size and the speed alone, so it is fitted once, to labels.
    """
    row = {
        "augment": min(_COPIES, kept.get("distill", {}).get("augment", 0)),
        **kept.get("linear", {}),
        **N_GRAMS[shape.n_grams],
        "features": shape.features,
    }
    return _stage("linear", row if judged else row | _QUICK, shape)


def learning_of(shape: Shape, epochs: int, kept: Settings) -> tuple[Stage, ...]:
    """Return the stages that make the fp32 student: cut, distill; or one for a linear one."""
    if shape.linear:
        return (linear_of(shape, kept),)
    train = bag_of if shape.bag else training_of
    return (cut_of(shape, kept), train(shape, epochs, kept))


def stages_of(shape: Shape, epochs: int, kept: Settings) -> tuple[Stage, ...]:
    """Return the stages that make the student: its learning, then quantize for all but linear."""
    learning = learning_of(shape, epochs, kept)
    return learning if shape.linear else (*learning, quantization_of(shape, kept))


def _stage(kind: str, row: Mapping[str, Any], shape: Shape) -> Stage:
    return parse_stage({**row, "kind": kind}, f"search, {shape.name}")

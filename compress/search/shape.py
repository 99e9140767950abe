"""The shape of a student: what a search chooses, and the stages that make it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress.recipe import parse_stage
from compress.stage import Stage, settings_of

Settings = Mapping[str, Mapping[str, Any]]
"""Settings by the kind of stage; those that a shape decides are not among them."""

DECIDED = {
    "distill": {"layers", "keep", "student", "epochs", "patience"},
    "prune": {
        *("layers", "ffn", "heads", "hidden", "recovery_epochs"),
        *("vocabulary", "vocabulary_floor", "alphabet"),
    },
    "quantize": {"scheme", "weights", "embeddings"},
}
"""The settings of each stage that the search decides; a recipe may set the others."""

VOCABULARIES: dict[str, dict[str, Any]] = {
    "frequent": {"vocabulary_floor": 8000, "alphabet": "all"},
    "common": {"vocabulary_floor": 5000, "alphabet": "seen"},
    "spelling": {"vocabulary_floor": 0, "alphabet": "all"},
    "seen": {"vocabulary_floor": 0, "alphabet": "seen"},
}
"""Pruned vocabularies, the largest first for most rows: with 8,000 or 5,000 pieces at least, the
most frequent of those that the rows lack; with all that spells any word; and with what spells
the characters of the rows."""


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """Say what is left of a teacher, and in how many bits.

    `layers` stay, the last one always; `ffn` and `heads` are the shares that go, 0 to 0.95;
    `hidden` is the width that stays, None the teacher's. `vocabulary` is one of VOCABULARIES.
    `weights` are those that are multiplied with one token alone. `embeddings` None takes the
    scheme's own width.
    """

    layers: int
    ffn: float = 0.0
    heads: float = 0.0
    hidden: int | None = None
    vocabulary: str = "seen"
    scheme: str = "int8-dynamic"
    weights: str = "int8"
    embeddings: str | None = None

    @property
    def name(self) -> str:
        """Return a name that is a file's as well: "1-layer-ffn50-int8-dynamic-int4"."""
        parts = [f"{self.layers}-layer"]
        parts += [f"ffn{_percent(1 - self.ffn)}"] if self.ffn else []
        parts += [f"heads{_percent(1 - self.heads)}"] if self.heads else []
        parts += [f"hidden{self.hidden}"] if self.hidden else []
        parts += [self.vocabulary] if self.vocabulary != "seen" else []
        parts += [self.scheme]
        parts += [f"weights-{self.weights}"] if self.weights != "int8" else []
        parts += [self.embeddings] if self.embeddings else []
        return "-".join(parts)

    @property
    def timed_as(self) -> Shape:
        """Return the shape that this one is as fast as: a lookup's width costs no time."""
        return dataclasses.replace(self, vocabulary="seen", embeddings=None)

    @property
    def rounded(self) -> list[str]:
        """Return what distillation may round while it trains: all that has 4 bits."""
        narrow = {"embeddings": self.embeddings, "weights": self.weights}
        return [name for name, width in narrow.items() if width == "int4"]

    def to_json(self) -> dict[str, Any]:
        """Return the shape as JSON values."""
        return dataclasses.asdict(self)


def _percent(share: float) -> str:
    return f"{100 * share:g}"


def settings_kept(stages: Sequence[Stage]) -> dict[str, dict[str, Any]]:
    """Return what a recipe's stages say that no shape decides, by the kind of stage."""
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

    With `depth` layers go too: the model is then as fast and as large as the student will be.
    Units are otherwise ranked in the whole teacher, whose layers still do what they learned.
    """
    row: dict[str, Any] = {
        **kept.get("prune", {}),
        "ffn": shape.ffn,
        "heads": shape.heads,
        "vocabulary": True,
        **VOCABULARIES[shape.vocabulary],
        "recovery_epochs": 0,
    }
    row |= {"hidden": shape.hidden} if shape.hidden else {}
    row |= {"layers": shape.layers} if depth else {}
    return _stage("prune", row, shape)


def training_of(shape: Shape, epochs: int, kept: Settings) -> Stage:
    """Return the distillation that takes layers away and trains what is left.

    Of what the recipe rounds while training, only what the shape has in 4 bits is.
    """
    row = {**kept.get("distill", {}), "layers": shape.layers, "epochs": epochs}
    asked = row.get("quantization_aware", [])
    row["quantization_aware"] = [name for name in shape.rounded if name in asked]
    return _stage("distill", row, shape)


def quantization_of(shape: Shape, kept: Settings, *, judged: bool = True) -> Stage:
    """Return the quantization; of a student that is not `judged`, any loss is taken."""
    row = {**kept.get("quantize", {}), "scheme": shape.scheme}
    row |= {"weights": shape.weights, "embeddings": shape.embeddings}
    return _stage("quantize", row if judged else {**row, "max_drop": 1.0}, shape)


def stages_of(shape: Shape, epochs: int, kept: Settings) -> tuple[Stage, ...]:
    """Return the stages that make the student: cut first, then distill once, then quantize."""
    return (
        cut_of(shape, kept),
        training_of(shape, epochs, kept),
        quantization_of(shape, kept),
    )


def _stage(kind: str, row: Mapping[str, Any], shape: Shape) -> Stage:
    return parse_stage({**row, "kind": kind}, f"search, {shape.name}")

"""The prune stage: a smaller model with the most important weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.models.architectures import require
from compress.models.outline import cut_layers
from compress.models.positions import drop_positions, require_positions
from compress.prune.pieces import Alphabet, PieceChoice
from compress.stage import TORCH, Made, Outline, RunContext, Stage
from compress.tasks import require_vectors, task_of
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError

if TYPE_CHECKING:
    from torch import nn

_STRICT = ConfigDict(extra="forbid")
_MOST = 0.95
_FLOOR = 8000
"""The number of pieces that stay at least. Unseen rows of a banking set then become 0.5 % (8,500
training rows) or 1.6 % (1,000 rows) longer, against 1.5 % and 8.8 % without a floor."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class Prune(Stage):
    """Remove FFN units, heads, hidden dimensions, whole layers, and unused word pieces.

    `ffn` and `heads` are the shares to remove, chosen by Fisher importance over at most `rows`
    training rows, the same number in every layer; the remaining projections are refitted on the
    same rows to compensate. `hidden` is the remaining width of the residual stream, a multiple of a
    head's width; heads beyond it are removed. `layers` is the number of layers that stay, evenly
    spaced; it may be 0 where answers are vectors. Positions beyond the source's longest text are
    always removed; without `positions` all others are too: the model no longer knows the order of
    the words, and with one layer its export looks up what attention reads of each word.

    `dimensions` keeps the first dimensions of a vector, for teachers trained so that these suffice
    (Kusupati et al. 2022, "Matryoshka Representation Learning"); `distill` has others.

    `vocabulary` drops the pieces that occur less than `least_count` times in the training and
    unlabeled text. Pieces that spell any word of the `alphabet` stay ("all": every character of the
    tokenizer; "seen": those of the text), and so do the most frequent other pieces, up to
    `vocabulary_floor` in total. "seen" must not make more than `most_unknown` of the validation
    rows' pieces unknown.

    Afterwards the model is distilled from the teacher for `recovery_epochs`, unless every training
    row still has the same pieces and the same answers.
    """

    kind: ClassVar[str] = "prune"
    accepts: ClassVar[tuple[str, ...]] = (TORCH,)
    retrains: ClassVar[bool] = True
    uses_target: ClassVar[bool] = False

    ffn: float = 0.0
    heads: float = 0.0
    hidden: int | None = None
    layers: int | None = None
    dimensions: int | None = None
    positions: bool = True
    vocabulary: bool = False
    vocabulary_floor: Annotated[int, Field(ge=0)] = _FLOOR
    alphabet: Alphabet = "all"
    least_count: Annotated[int, Field(ge=1)] = 1
    most_unknown: Annotated[float, Field(ge=0, le=1)] = 0.005
    rows: Annotated[int, Field(ge=1)] = 512
    recovery_epochs: Annotated[int, Field(ge=0, le=1000)] = 3
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 2e-4
    temperature: Annotated[float, Field(gt=0, le=100)] = 4.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32

    def check(self, source: Outline) -> list[str]:
        """Refuse shares out of range, cuts that remove nothing, and unknown architectures."""
        for name, share in (("ffn", self.ffn), ("heads", self.heads)):
            if not 0 <= share <= _MOST:
                raise RecipeError(
                    f"prune: {name} = {share:g}",
                    expected=f"the share to remove, 0 to {_MOST}",
                    action=f"write {name} = 0.5 to remove half",
                )
        for name, least in (("layers", 0), ("hidden", 1), ("dimensions", 1)):
            kept = getattr(self, name)
            if kept is not None and kept < least:
                raise RecipeError(
                    f"prune: {name} = {kept}",
                    expected=f"how much of {name} stays, {least} or more",
                    action=f"write {name} = {least} or more",
                )
        if not (self._changes_answers() or self.vocabulary or self.dimensions):
            raise RecipeError(
                "prune removes nothing",
                expected="ffn, heads, hidden, layers, dimensions or vocabulary, or positions ="
                " false",
                action="set one, or leave the stage out",
            )
        require(source.model_type, "prune")
        if self.dimensions is not None:
            require_vectors(source.task, "prune: dimensions")
        if self.layers == 0:
            require_vectors(source.task, "prune: layers = 0")
        if not self.positions:
            require_positions(source.model_type, pairs=task_of(source.task).pairs)
        return self._warnings(source)

    def leaves(self, source: Outline) -> Outline:
        """Return the source's outline with the remaining layers."""
        return cut_layers(source, self.kind, self.layers)

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Cut layers, then units, then pieces; recover; write the model."""
        from compress.models.layers import evenly_spaced, keep_layers
        from compress.models.torch_model import load_model, save_model
        from compress.prune.slicing import cut_positions
        from compress.prune.vocabulary import prune_vocabulary

        model = load_model(source.path, source.task)
        metrics: dict[str, float] = {"parameters_before": source.parameters}
        if self.layers is not None:
            total = model.config.num_hidden_layers
            metrics |= {"layers_before": total, "layers": self.layers}
            keep_layers(model, evenly_spaced(total, self.layers) if self.layers else ())
        if self.dimensions is not None:
            metrics |= _cut_vectors(model, len(source.labels), self.dimensions)
        cut_positions(model, source.max_length)
        if self.ffn or self.heads or self.hidden:
            metrics |= self._cut_units(model, source, context)
        if not self.positions:
            drop_positions(model)
        if self.vocabulary:
            metrics |= prune_vocabulary(model, source, context, self._pieces(), folder)
        metrics["parameters"] = sum(weight.numel() for weight in model.parameters())
        metrics |= self._recover(model, source, context, folder)
        labels = source.labels[: self.dimensions]
        return save_model(model, source, folder, labels=labels, metrics=metrics)

    def _cut_units(
        self, model: nn.Module, source: Artifact, context: RunContext
    ) -> dict[str, float]:
        from compress.prune.hidden import hidden_width, prune_hidden
        from compress.prune.importance import drawn_rows, fisher_importance, strongest
        from compress.prune.reconstruction import reconstruct
        from compress.prune.slicing import (
            ffn_width,
            head_count,
            prune_ffn,
            prune_heads,
            shares_heads,
        )

        wide, most = hidden_width(model, self.hidden)
        rows = drawn_rows(model, source, context, self.rows)
        with context.progress.task("importance", len(rows)) as advance:
            importance = fisher_importance(model, rows, task_of(source.task), context.seed, advance)
        width = ffn_width(importance.ffn.shape[1], self.ffn)
        count = min(head_count(importance.heads.shape[1], self.heads), most)
        whole = copy.deepcopy(model)
        cut = partial(_cut, context=context)
        metrics = cut("ffn", self.ffn, importance.ffn, width, partial(prune_ffn, model))
        metrics |= cut(
            "heads",
            self.heads,
            importance.heads,
            count,
            partial(prune_heads, model),
            same=shares_heads(model),
        )
        if metrics:
            with context.progress.task("reconstruction", len(importance.ffn)) as advance:
                reconstruct(model, whole, rows, advance)
        inner = strongest(importance.head[None], wide)[0]
        return metrics | cut(
            "hidden",
            self.hidden or 0,
            importance.stream[None],
            wide,
            lambda kept: prune_hidden(model, kept[0], inner),
        )

    def _recover(
        self, model: nn.Module, source: Artifact, context: RunContext, folder: Path
    ) -> dict[str, float]:
        if self.recovery_epochs == 0 or not self._changes_answers():
            return {}
        if context.teacher is None:
            context.progress.warn("prune: no teacher to recover from; the model stays as cut")
            return {}
        from compress.distill.recover import recover

        return recover(
            model,
            source,
            folder if self.vocabulary else source.path,
            context,
            epochs=self.recovery_epochs,
            learning_rate=self.learning_rate,
            temperature=self.temperature,
            alpha=self.alpha,
            batch_size=self.batch_size,
        )

    def _pieces(self) -> PieceChoice:
        return PieceChoice(
            self.vocabulary_floor, self.alphabet, self.least_count, self.most_unknown
        )

    def _changes_answers(self) -> bool:
        """Tell whether the cut may change the answers to training rows.

        A vocabulary that keeps all of their pieces changes none of them.
        """
        respelled = self.vocabulary and self.least_count > 1
        cut = self.ffn or self.heads or self.hidden or self.layers is not None
        return bool(cut or respelled or not self.positions)

    def _warnings(self, source: Outline) -> list[str]:
        texts = []
        if self.recovery_epochs == 0 and self._changes_answers() and not source.retrained:
            texts.append(
                "prune: recovery_epochs = 0 leaves the model as cut: distill it afterwards, or"
                " expect a loss"
            )
        if self.learning_rate > 1e-3:
            texts.append(f"prune: learning_rate {self.learning_rate:g} is over 1e-3: may diverge")
        return texts


def _cut_vectors(model: nn.Module, before: int, kept: int) -> dict[str, float]:
    """Keep the first dimensions of a model's vector."""
    import torch

    from compress.tasks.sentence_encoder import reduce_vectors

    reduce_vectors(model, torch.eye(kept, before))
    return {"dimensions_before": before, "dimensions": kept}


def _cut(
    name: str,
    share: float,
    importance: NDArray[np.float64],
    keep: int,
    prune: Callable[[list[NDArray[np.int64]]], None],
    *,
    context: RunContext,
    same: bool = False,
) -> dict[str, float]:
    """Keep the most important units of one kind in every layer, and return what that retains."""
    from compress.prune.importance import retained_share, strongest

    units = importance.shape[1]
    if keep == units:
        if share:
            context.progress.warn(f"prune: {name} = {share:g} of {units} rounds to none: all stay")
        return {}
    kept = strongest(importance, keep, same=same)
    prune(kept)
    retained = retained_share(importance, kept)
    context.progress.note(f"{name}: {keep} of {units} a layer hold {retained:.1%} of importance")
    return {
        f"{name}_before": units,
        f"{name}_kept": keep,
        f"{name}_importance_retained": round(retained, 6),
    }

"""The distill stage: train a smaller student to answer as the teacher does."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.distill.rows import OwnRows
from compress.models.architectures import require
from compress.models.outline import cut_layers, outline_of
from compress.stage import TORCH, Made, Outline, RunContext, Stage
from compress.tasks import require_one_token, require_vectors
from compress.training.loop import CATASTROPHIC_RATE
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from compress.training.loop import TrainPlan

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, config=_STRICT)
class Distill(Stage):
    """Train a student with `layers` of the teacher's layers, or one from a `student` folder.

    The layers are evenly spaced and include the last, or are those that `keep` names, counted from
    0. The loss is alpha·T²·KL + (1−alpha)·CE, and KL alone on unlabeled text and on `augment`
    augmented copies of the rows, of which each epoch takes one in turn, or two where `own_rows` are
    in turn with them. `quantization_aware` trains with the rounding of scheme int8-dynamic with
    4-bit embeddings, or with 4-bit one-token weights. With `dropout` the student's own is on in
    training; it was measured to cost accuracy.

    A student whose answers are vectors may have no layers at all: each token's vector is looked up,
    and a text's is their mean. It may also have fewer `dimensions`: the principal components of the
    teacher's vectors are folded into its last layer, which is then trained.
    """

    kind: ClassVar[str] = "distill"
    accepts: ClassVar[tuple[str, ...]] = (TORCH,)
    retrains: ClassVar[bool] = True
    uses_target: ClassVar[bool] = False
    model_settings: ClassVar[tuple[str, ...]] = ("student",)

    layers: Annotated[int, Field(ge=0)] | None = None
    keep: list[Annotated[int, Field(ge=0)]] = field(default_factory=list)
    student: str | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(gt=0, le=100)] = 4.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    augment: Annotated[int, Field(ge=0, le=64)] = 0
    own_rows: OwnRows = "auto"
    quantization_aware: list[Literal["embeddings", "weights"]] = field(default_factory=list)
    epochs: Annotated[int, Field(ge=1, le=1000)] = 8
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 4e-4
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    patience: Annotated[int, Field(ge=1)] | None = None
    dropout: bool = False

    def check(self, source: Outline) -> list[str]:
        """Refuse contradicting settings, and architectures whose layers are unknown."""
        if (self.layers is None) + (not self.keep) + (self.student is None) != 2:
            raise RecipeError(
                "distill takes exactly one of layers, keep and student",
                expected='layers = 3, or keep = [1, 3, 5], or student = "FOLDER"',
                action="keep one of them",
            )
        if self.keep != sorted(set(self.keep)):
            raise RecipeError(
                f"distill: keep = {self.keep}",
                expected="each layer once, in ascending order, such as [1, 3, 5]",
                action="sort the layers and name each once",
            )
        if self.student is None:
            require(source.model_type, "distill")  # which layers are cut depends on it
        if self.dimensions is not None:
            require_vectors(source.task, "distill: dimensions")
        if self.layers == 0:
            require_vectors(source.task, "distill: layers = 0")
        if "weights" in self.quantization_aware:
            require_one_token(source.task, "distill: quantization_aware 'weights'")
        if self.learning_rate > CATASTROPHIC_RATE:
            return [f"distill: learning_rate {self.learning_rate:g} is over 1e-3: it may diverge"]
        return []

    def leaves(self, source: Outline) -> Outline:
        """Return the student's outline: another folder's, or the source's with fewer layers."""
        if self.student is not None:
            return outline_of(_other(self.student, source))
        return cut_layers(source, self.kind, self.layers, self.keep)

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Cut or load the student, train it against the teacher, and write it."""
        import torch

        from compress.distill.train import distill
        from compress.models.torch_model import save_model
        from runtimes.tokenizing import load_tokenizer

        torch.manual_seed(context.seed)  # it draws a new head
        teacher = context.teacher or source
        student, origin = self._student(source)
        if self.dimensions is not None:
            self._reduce(student, teacher, context)
        tokenizer = load_tokenizer(origin.path, origin.max_length)
        fitted = distill(
            student,
            teacher,
            tokenizer,
            context,
            self._plan(context.seed),
            temperature=self.temperature,
            alpha=self.alpha,
            augment=self.augment,
            own_rows=self.own_rows,
            quantization_aware=self.quantization_aware,
        )
        labels = source.labels[: self.dimensions]
        return save_model(student, origin, folder, labels=labels, metrics=fitted.metrics())

    def _reduce(self, student: PreTrainedModel, teacher: Artifact, context: RunContext) -> None:
        """Fold the principal components of the teacher's vectors into the student's last layer."""
        from compress.distill.components import principal_components
        from compress.distill.rows import TrainingRows
        from compress.tasks.sentence_encoder import reduce_vectors

        assert self.dimensions is not None
        rows = TrainingRows.of(context.data, self.augment, teacher)
        known = rows.teacher_answers(teacher, context)
        basis, kept = principal_components(known, self.dimensions)
        reduce_vectors(student, basis)
        context.progress.note(f"{self.dimensions} dimensions hold {kept:.1%} of the vectors")

    def _plan(self, seed: int) -> TrainPlan:
        from compress.training.loop import TrainPlan

        return TrainPlan(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            patience=self.patience,
            seed=seed,
            dropout=self.dropout,
        )

    def _student(self, source: Artifact) -> tuple[PreTrainedModel, Artifact]:
        """Return the student and the folder of its tokenizer."""
        from compress.models.torch_model import load_model

        if self.student is not None:
            origin = _other(self.student, source, source.max_length)
            return load_model(origin.path, source.task, labels=source.labels), origin
        from compress.models.layers import evenly_spaced, keep_layers

        student = load_model(source.path, source.task)
        total = student.config.num_hidden_layers
        kept = evenly_spaced(total, self.layers) if self.layers else tuple(self.keep)
        if max(kept, default=0) >= total:
            raise RecipeError(
                f"distill: keep = {self.keep}",
                expected=f"layers 0 to {total - 1}: the model has {total}",
                action="name layers that the model has",
            )
        keep_layers(student, kept)
        return student, source


def _other(student: str, source: Artifact | Outline, max_length: int | None = None) -> Artifact:
    """Return another folder's model if training supports it."""
    from compress.models.teacher import open_model

    origin = open_model(student, task=source.task, max_length=max_length)
    require(origin.model_type, "finetune")
    return origin

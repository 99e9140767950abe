"""The fine-tune stage: train a pretrained model on the task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.models.architectures import require
from compress.stage import TORCH, Made, Outline, RunContext, Stage
from compress.tasks import Task, require_stage, task_of
from compress.training.loop import CATASTROPHIC_RATE
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from compress.data.batch import Batch
    from compress.training.loop import Fitted, Loss, TrainPlan

_STRICT = ConfigDict(extra="forbid")
_NARROW = 512


@dataclass(frozen=True, slots=True, config=_STRICT)
class Finetune(Stage):
    """Train a classifier on labeled rows.

    `method` is "full", "frozen" (the backbone's features are computed once and only the head is
    trained) or "probe-then-full" (the head first, then everything: Kumar et al. 2022, LP-FT).
    Without a `learning_rate`, full training uses 2e-4 for models up to 512 wide and 5e-5 for wider
    ones. `class_weights` "balanced" weighs a class by rows / (classes · its rows); "auto" takes the
    square root of that, which supports rare classes and adds less noise, and only when the largest
    class is over three times the smallest.
    """

    kind: ClassVar[str] = "finetune"
    accepts: ClassVar[tuple[str, ...]] = (TORCH,)
    teaches: ClassVar[bool] = True
    retrains: ClassVar[bool] = True
    uses_target: ClassVar[bool] = False

    method: Literal["full", "frozen", "probe-then-full"] = "full"
    epochs: Annotated[int, Field(ge=1, le=1000)] = 5
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    probe_epochs: Annotated[int, Field(ge=1, le=1000)] = 20
    probe_learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    schedule: Literal["linear", "cosine"] = "linear"
    patience: Annotated[int, Field(ge=1)] | None = 3
    class_weights: Literal["auto", "balanced", "none"] = "auto"

    def check(self, source: Outline) -> list[str]:
        """Warn of settings that damage a pretrained model; refuse those that do not work for it."""
        require(source.model_type, "finetune")
        require_stage(source.task, self.kind)
        self._require_one_state(source)
        if self.method == "frozen":
            unused = "finetune: learning_rate is not used when only the head is trained"
            return [] if self.learning_rate is None else [f"{unused}; set probe_learning_rate"]
        if (self.learning_rate or 0) > CATASTROPHIC_RATE:
            return [
                f"finetune: learning_rate {self.learning_rate:g} is over 1e-3: it usually damages"
                " a pretrained model; 2e-5 to 3e-4 is common"
            ]
        return []

    def _require_one_state(self, source: Outline) -> None:
        """Raise UnsupportedError for a head that needs more than one state for each row."""
        if self.method != "full" and not task_of(source.task).reads_first_token:
            raise UnsupportedError(
                f"finetune: method {self.method!r} for {source.task}, whose head reads every token",
                expected='"full"',
                action='write method = "full"',
            )

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Train, keep the epoch with the best validation figures, and write it."""
        import torch

        from compress.models.torch_model import load_model, save_model
        from compress.training.loop import settle
        from runtimes.tokenizing import load_tokenizer

        labels = context.data.labels
        task = task_of(source.task)
        torch.manual_seed(context.seed)
        model = load_model(
            source.path, source.task, labels=None if source.labels == labels else labels
        )
        tokenizer = load_tokenizer(source.path, source.max_length)
        task = task.learner(model, context.data.train.targets)
        metrics: dict[str, float] = {}
        if self.method != "full":
            metrics |= _prefixed("probe_", self._probe(model, tokenizer, context, task))
        if self.method != "frozen":
            metrics |= self._full(model, tokenizer, context, task).metrics()
        settle(model, tokenizer, context, task)
        return save_model(model, source, folder, labels=labels, metrics=metrics)

    def _full(
        self, model: PreTrainedModel, tokenizer: Any, context: RunContext, task: Task
    ) -> Fitted:
        from compress.training.batches import encode
        from compress.training.compact import compact_vocabulary
        from compress.training.loop import fit

        data = context.data
        train = encode(tokenizer, data.train.inputs, model.config, task)
        validation = encode(tokenizer, data.validation.inputs, model.config, task)
        rate = self.learning_rate or (2e-4 if model.config.hidden_size <= _NARROW else 5e-5)
        with compact_vocabulary(model, train, validation) as (small_train, small_validation):
            return fit(
                model,
                small_train,
                (small_validation, data.validation.targets),
                self._loss(context, task),
                self._plan(self.epochs, rate, context),
                task=task,
                labels=data.labels,
                scratch=context.scratch / "full",
                progress=context.progress,
                name="finetune",
            )

    def _probe(
        self, model: PreTrainedModel, tokenizer: Any, context: RunContext, task: Task
    ) -> Fitted:
        from compress.finetune.features import fit_head

        return fit_head(
            model,
            tokenizer,
            context,
            self._loss(context, task),
            self._plan(self.probe_epochs, self.probe_learning_rate, context),
            task,
        )

    def _plan(self, epochs: int, learning_rate: float, context: RunContext) -> TrainPlan:
        from compress.training.loop import TrainPlan

        return TrainPlan(
            epochs=epochs,
            learning_rate=learning_rate,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            schedule=self.schedule,
            patience=self.patience,
            seed=context.seed,
        )

    def _loss(self, context: RunContext, task: Task) -> Loss:
        targets = context.data.train.targets
        weights = task.weights(targets, context.data.labels, self.class_weights)

        def loss(output: Any, batch: Batch) -> Tensor:
            wanted = [targets[row] for row in batch.rows]
            return task.hard_loss(output, batch, wanted, weights)

        return loss


def _prefixed(prefix: str, fitted: Fitted) -> dict[str, float]:
    return {prefix + name: value for name, value in fitted.metrics().items()}

"""The fine-tune stage: a pretrained model learns the task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.models.architectures import require
from compress.stage import Made, RunContext
from compress.training.loop import CATASTROPHIC_RATE
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from compress.training.loop import Fitted, Loss, TrainPlan

_STRICT = ConfigDict(extra="forbid")
_NARROW = 512
_IMBALANCED = 3.0


@dataclass(frozen=True, slots=True, config=_STRICT)
class Finetune:
    """Train a classifier on labelled rows.

    `method` is "full", "frozen" (the backbone's features are computed once and only the head
    learns) or "probe-then-full" (the head first, then everything: Kumar et al. 2022, LP-FT).
    Without a `learning_rate`, full training uses 2e-4 for models up to 512 wide and 5e-5 for
    wider ones. `class_weights` "balanced" weighs a class by rows / (classes · its rows); "auto"
    takes the square root of that, which lifts rare classes without their noise, and only when
    the largest class is over three times the smallest.
    """

    kind: ClassVar[str] = "finetune"
    accepts: ClassVar[tuple[str, ...]] = ("huggingface",)
    retrains: ClassVar[bool] = True
    uses_data: ClassVar[bool] = True

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

    def produces(self, source_format: str) -> str:
        """Return huggingface: the same model, trained."""
        return "huggingface"

    def check(self, model_type: str, source_format: str) -> list[str]:
        """Warn of settings that wreck a pretrained model."""
        require(model_type, "finetune")
        if self.method == "frozen":
            unused = "finetune: learning_rate is not used when only the head learns"
            return [] if self.learning_rate is None else [f"{unused}; set probe_learning_rate"]
        if (self.learning_rate or 0) > CATASTROPHIC_RATE:
            return [
                f"finetune: learning_rate {self.learning_rate:g} is over 1e-3: it usually wrecks"
                " a pretrained model; 2e-5 to 3e-4 is common"
            ]
        return []

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Train, keep the epoch that is best on validation, and write it."""
        import torch

        from compress.models.torch_model import load_model, load_tokenizer, save_model

        labels = context.data.labels
        torch.manual_seed(context.seed)
        model = load_model(source.path, labels=None if source.labels == labels else labels)
        tokenizer = load_tokenizer(source.path, source.max_length)
        metrics: dict[str, float] = {}
        if self.method != "full":
            metrics |= _prefixed("probe_", self._probe(model, tokenizer, context))
        if self.method != "frozen":
            metrics |= self._full(model, tokenizer, context).metrics()
        return save_model(model, source, folder, labels=labels, metrics=metrics)

    def _full(self, model: PreTrainedModel, tokenizer: Any, context: RunContext) -> Fitted:
        from compress.training.batches import encode
        from compress.training.compact import compact_vocabulary
        from compress.training.loop import fit

        data = context.data
        train = encode(tokenizer, data.train.inputs, model.config)
        validation = encode(tokenizer, data.validation.inputs, model.config)
        rate = self.learning_rate or (2e-4 if model.config.hidden_size <= _NARROW else 5e-5)
        with compact_vocabulary(model, train, validation) as (small_train, small_validation):
            return fit(
                model,
                small_train,
                (small_validation, np.array(data.validation.targets)),
                self._loss(context),
                self._plan(self.epochs, rate, context),
                scratch=context.scratch / "full",
                progress=context.progress,
                name="finetune",
            )

    def _probe(self, model: PreTrainedModel, tokenizer: Any, context: RunContext) -> Fitted:
        from compress.finetune.features import fit_head

        return fit_head(
            model,
            tokenizer,
            context,
            self._loss(context),
            self._plan(self.probe_epochs, self.probe_learning_rate, context),
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

    def _loss(self, context: RunContext) -> Loss:
        import torch
        import torch.nn.functional as F  # noqa: N812

        labels = torch.tensor(context.data.train.targets)
        counts = torch.bincount(labels, minlength=len(context.data.labels)).float()
        weights = self._weights(counts)

        def loss(output: Any, batch: Any) -> torch.Tensor:
            device = output.logits.device
            wanted = labels[torch.from_numpy(batch.rows)].to(device)
            weight = None if weights is None else weights.to(device)
            return F.cross_entropy(output.logits, wanted, weight=weight)

        return loss

    def _weights(self, counts: Tensor) -> Tensor | None:
        """Return each class's weight, given its rows; classes without rows count as one."""
        counts = counts.clamp(min=1)
        balanced = counts.sum() / (len(counts) * counts)
        if self.class_weights == "balanced":
            return balanced
        uneven = float(counts.max() / counts.min()) > _IMBALANCED
        return balanced.sqrt() if self.class_weights == "auto" and uneven else None


def _prefixed(prefix: str, fitted: Fitted) -> dict[str, float]:
    return {prefix + name: value for name, value in fitted.metrics().items()}

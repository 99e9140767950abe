"""Train a classifier's head on features that the frozen backbone computes once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.data.batch import Batch
from compress.stage import RunContext
from compress.tasks import Task
from compress.training.batches import Encoded, encode, in_order
from compress.training.loop import Fitted, Loss, TrainPlan, accelerator_device, fit

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class Features:
    """Hold one feature row for each text, as the head reads it, and return them in batches."""

    states: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.states)

    def lengths(self) -> NDArray[np.int64]:
        """Return ones: every row has the length of one token."""
        return np.ones(len(self.states), dtype=np.int64)

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        """Return the rows as sequences of one token, for a model `without_backbone`."""
        import torch

        states = torch.from_numpy(self.states[rows])[:, None, :]
        ones = torch.ones(len(rows), 1, dtype=torch.long)
        return Batch(rows, {"inputs_embeds": states, "attention_mask": ones})


def fit_head(
    model: PreTrainedModel,
    tokenizer: Any,
    context: RunContext,
    loss: Loss,
    plan: TrainPlan,
    task: Task,
) -> Fitted:
    """Train everything outside the backbone's encoder, the pooler included, in place."""
    data = context.data
    train, validation = (
        features(model, encode(tokenizer, rows.inputs, model.config, task), context)
        for rows in (data.train, data.validation)
    )
    with without_backbone(model):
        return fit(
            model,
            train,
            (validation, data.validation.targets),
            loss,
            plan,
            task=task,
            labels=data.labels,
            scratch=context.scratch / "head",
            progress=context.progress,
            name="head",
        )


def features(model: PreTrainedModel, encoded: Encoded, context: RunContext) -> Features:
    """Return the features that the head reads: the first token's state, or the mean of all."""
    import torch

    device = accelerator_device()
    model.to(device).eval()
    mean = getattr(model.config, "classifier_pooling", "cls") == "mean"
    states = np.zeros((len(encoded), model.config.hidden_size), dtype=np.float32)
    with (
        torch.inference_mode(),
        context.progress.task("features", len(encoded)) as advance,
    ):
        for batch in in_order(encoded, 64):
            inputs = {key: value.to(device) for key, value in batch.inputs.items()}
            hidden = model.base_model(**inputs)[0]
            mask = inputs["attention_mask"].unsqueeze(-1)
            pooled = (hidden * mask).sum(1) / mask.sum(1) if mean else hidden[:, 0]
            states[batch.rows] = pooled.float().cpu().numpy()
            advance(len(batch.rows), "")
    model.to("cpu")
    return Features(states)


@contextmanager
def without_backbone(model: PreTrainedModel) -> Iterator[None]:
    """Make the model take its backbone's last states as `inputs_embeds` during the context.

    Its parameters are then the head and the backbone's pooler, if any: only these are trained,
    checkpointed and moved.
    """
    name = model.base_model_prefix
    backbone = getattr(model, name)
    setattr(model, name, _known_states(backbone))
    try:
        yield
    finally:
        setattr(model, name, backbone)


def _known_states(backbone: nn.Module) -> nn.Module:
    import torch
    from torch import nn
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    class KnownStates(nn.Module):
        """Replace a backbone whose last states are known: pool them as it does."""

        def __init__(self) -> None:
            super().__init__()
            self.pooler = getattr(backbone, "pooler", None)
            self.pooler_activation = getattr(backbone, "pooler_activation", None)

        def forward(self, *_: Any, inputs_embeds: torch.Tensor, **__: Any) -> Any:
            return BaseModelOutputWithPooling(
                last_hidden_state=inputs_embeds,
                pooler_output=self._pooled(inputs_embeds),
            )

        def _pooled(self, states: torch.Tensor) -> Any:
            if self.pooler is None:
                return None
            if self.pooler_activation is None:
                return self.pooler(states)
            return self.pooler_activation(self.pooler(states[:, 0]))  # ALBERT's is a plain layer

    return KnownStates()

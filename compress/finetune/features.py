"""Train a classifier's head on features that the frozen backbone computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.batches import Batch, Encoded, encode, in_order
from compress.stage import RunContext
from compress.training import Fitted, Loss, TrainPlan, accelerator_device, fit

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class _Features:
    """Hold one feature row a text, and serve them in batches."""

    states: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.states)

    def lengths(self) -> NDArray[np.int64]:
        return np.ones(len(self.states), dtype=np.int64)

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        import torch

        return Batch(rows, {"features": torch.from_numpy(self.states[rows])})


def fit_head(
    model: PreTrainedModel, tokenizer: Any, context: RunContext, loss: Loss, plan: TrainPlan
) -> Fitted:
    """Train everything outside the backbone's encoder, the pooler included, in place."""
    data = context.data
    frozen = _freeze(model)
    train = _features(model, encode(tokenizer, data.train.texts, model.config), context)
    validation = _features(model, encode(tokenizer, data.validation.texts, model.config), context)
    fitted = fit(
        _head_only(model),
        train,
        (validation, np.array(data.validation.labels)),
        loss,
        plan,
        scratch=context.scratch / "head",
        progress=context.progress,
        name="head",
    )
    for parameter in frozen:
        parameter.requires_grad_(True)
    return fitted


def _freeze(model: PreTrainedModel) -> Sequence[Any]:
    pooler = getattr(model.base_model, "pooler", None)
    kept = {id(p) for p in pooler.parameters()} if pooler is not None else set()
    frozen = [p for p in model.base_model.parameters() if id(p) not in kept]
    for parameter in frozen:
        parameter.requires_grad_(False)
    return frozen


def _features(model: PreTrainedModel, encoded: Encoded, context: RunContext) -> _Features:
    """Return what the head reads of each row: its first token's state, or the mean of all."""
    import torch

    device = accelerator_device()
    model.to(device).eval()  # type: ignore[arg-type]
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
    return _Features(states)


def _head_only(model: PreTrainedModel) -> nn.Module:
    """Return a module over the model's own head, fed with features in the encoder's place."""
    import torch
    from torch import nn
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    class Head(nn.Module):
        """Run the whole classifier's forward with the backbone's answer already known."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: torch.Tensor, output_hidden_states: bool = False) -> Any:
            backbone, states = model.base_model, features[:, None, :]
            pooler = getattr(backbone, "pooler", None)
            answer = BaseModelOutputWithPooling(
                last_hidden_state=states,  # type: ignore[arg-type]
                pooler_output=None if pooler is None else pooler(states),
            )
            ones = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
            ordinary = backbone.forward
            backbone.forward = lambda *_, **__: answer
            try:
                return model(input_ids=ones, attention_mask=ones)
            finally:
                backbone.forward = ordinary

    return Head()

"""Restore a pruned model's accuracy by distillation from the teacher's logits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress.stage import RunContext
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def recover(
    model: PreTrainedModel,
    source: Artifact,
    tokenizer_folder: Path,
    context: RunContext,
    *,
    epochs: int,
    learning_rate: float,
    temperature: float,
    alpha: float,
    batch_size: int = 32,
) -> dict[str, float]:
    """Train `model` in place against `context.teacher` and return the validation figures.

    `tokenizer_folder` holds the model's present tokenizer, which vocabulary pruning may have
    changed.
    """
    from compress.distill.train import distill
    from compress.training.loop import TrainPlan
    from runtimes.tokenizing import load_tokenizer

    assert context.teacher is not None
    fitted = distill(
        model,
        context.teacher,
        load_tokenizer(tokenizer_folder, source.max_length),
        context,
        TrainPlan(
            epochs=epochs, learning_rate=learning_rate, batch_size=batch_size, seed=context.seed
        ),
        temperature=temperature,
        alpha=alpha,
        name="recover",
    )
    return fitted.metrics()

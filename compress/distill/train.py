"""Train a student against a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.distill.fake_quantize import quantization_aware as as_quantized
from compress.distill.first_token import first_token_only
from compress.distill.losses import distillation_loss
from compress.distill.rows import TrainingRows
from compress.quantize.embeddings import BLOCK
from compress.quantize.int8_dynamic import ONE_TOKEN_BLOCK
from compress.stage import RunContext
from compress.training.batches import Batch, encode
from compress.training.compact import compact_vocabulary
from compress.training.loop import Fitted, Loss, TrainPlan, fit
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from transformers import PreTrainedModel

    from compress.distill.internals import Internals


def distil(
    student: PreTrainedModel,
    teacher: Artifact,
    tokenizer: Tokenizer,
    context: RunContext,
    plan: TrainPlan,
    *,
    temperature: float,
    alpha: float,
    augment: int = 0,
    quantization_aware: Sequence[str] = (),
    name: str = "distil",
    internals: Internals | None = None,
) -> Fitted:
    """Train `student` in place on cached teacher logits, labelled rows and unlabelled text.

    An epoch adds one of `augment` disturbed copies of the labelled rows, in turn. "embeddings"
    and "weights" in `quantization_aware` are rounded as 4-bit storage will. `internals` adds
    losses on hidden states and attention relations; these need the teacher's forward pass in
    every step, which logits alone do not.
    """
    data = context.data
    rows = TrainingRows.of(data, augment)
    soft = rows.teacher_logits(teacher, context)
    train = encode(tokenizer, rows.texts, student.config)
    validation = encode(tokenizer, data.validation.inputs, student.config)
    targets = np.array(data.validation.targets, dtype=np.int64)

    only_first = nullcontext() if plan.hidden_states else first_token_only(student)
    with (
        only_first,
        compact_vocabulary(student, train, validation) as (small_train, small_validation),
        as_quantized(
            student,
            embedding_block=BLOCK[4] if "embeddings" in quantization_aware else None,
            weight_block=ONE_TOKEN_BLOCK if "weights" in quantization_aware else None,
        ),
    ):
        return fit(
            student,
            small_train,
            (small_validation, targets),
            _loss(soft, rows.labels, temperature, alpha, internals),
            plan,
            scratch=context.scratch,
            progress=context.progress,
            name=name,
            extra=None if internals is None else internals.projections,
            rows_of=rows.of_epoch,
        )


def _loss(
    soft: NDArray[np.float32],
    labels: NDArray[np.int64],
    temperature: float,
    alpha: float,
    internals: Internals | None,
) -> Loss:
    """Return the loss of a batch, given the teacher's logits and the labels of all rows."""

    def loss(output: Any, batch: Batch) -> Tensor:
        import torch

        device = output.logits.device
        value = distillation_loss(
            output.logits,
            torch.from_numpy(soft[batch.rows]).to(device),
            torch.from_numpy(labels[batch.rows]).to(device),
            temperature=temperature,
            alpha=alpha,
        )
        return value if internals is None else value + internals.loss(output, batch)

    return loss

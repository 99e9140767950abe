"""Train a student against a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from compress.data.batch import Batch
from compress.distill.fake_quantize import quantization_aware as as_quantized
from compress.distill.first_token import first_token_only
from compress.distill.rows import OwnRows, TrainingRows
from compress.models.positions import keep_dropped
from compress.quantize.embeddings import BLOCK
from compress.quantize.int8_dynamic import ONE_TOKEN_BLOCK
from compress.stage import RunContext
from compress.tasks import Answer, Task, task_of
from compress.training.batches import encode
from compress.training.compact import compact_vocabulary
from compress.training.loop import Fitted, Loss, TrainPlan, fit, settle
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor
    from transformers import PreTrainedModel


def distill(
    student: PreTrainedModel,
    teacher: Artifact,
    tokenizer: Tokenizer,
    context: RunContext,
    plan: TrainPlan,
    *,
    temperature: float,
    alpha: float,
    augment: int = 0,
    own_rows: OwnRows = "auto",
    quantization_aware: Sequence[str] = (),
    name: str = "distill",
) -> Fitted:
    """Train `student` in place on cached teacher logits, labeled rows and unlabeled text.

    Each epoch adds one of `augment` augmented copies of the labeled rows, in turn, or has two of
    rows and copies, as `own_rows` says. "embeddings" and "weights" in `quantization_aware` are
    rounded as in 4-bit storage. A student without positions stays without.
    """
    keep_dropped(student)
    data = context.data
    rows = TrainingRows.of(data, augment, teacher, own_rows)
    task = task_of(teacher.task).learner(student, data.train.targets)
    teacher_answers = rows.teacher_answers(teacher, context)
    train = encode(tokenizer, rows.texts, student.config, task)
    validation = encode(tokenizer, data.validation.inputs, student.config, task)

    only_first = first_token_only(student) if task.reads_first_token else nullcontext()
    with (
        only_first,
        compact_vocabulary(student, train, validation) as (small_train, small_validation),
        as_quantized(
            student,
            embedding_block=BLOCK[4] if "embeddings" in quantization_aware else None,
            weight_block=ONE_TOKEN_BLOCK if "weights" in quantization_aware else None,
        ),
    ):
        fitted = fit(
            student,
            small_train,
            (small_validation, data.validation.targets),
            loss_of(task, teacher_answers, rows.targets, temperature, alpha),
            plan,
            task=task,
            labels=data.labels,
            scratch=context.scratch,
            progress=context.progress,
            name=name,
            rows_of=rows.of_epoch,
        )
    settle(student, tokenizer, context, task)
    return fitted


def loss_of(
    task: Task,
    teacher_answers: Sequence[Answer],
    targets: Sequence[Any],
    temperature: float,
    alpha: float,
) -> Loss:
    """Return the loss of a batch, given the teacher's answers and the targets of all rows."""

    def loss(output: Any, batch: Batch) -> Tensor:
        return task.distillation_loss(
            output,
            batch,
            [teacher_answers[row] for row in batch.rows],
            [targets[row] for row in batch.rows],
            temperature=temperature,
            alpha=alpha,
        )

    return loss

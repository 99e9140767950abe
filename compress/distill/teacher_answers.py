"""The teacher's answers, computed once for each text and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.answers.kept import kept_logits
from compress.models.torch_model import load_model, load_tokenizer
from compress.stage import RunContext, tool_versions
from compress.tasks import Answer, task_of
from compress.training.batches import encode
from runtimes.artifact import Artifact
from runtimes.files import stable_hash

if TYPE_CHECKING:
    from pathlib import Path


def teacher_answers(teacher: Artifact, inputs: Sequence[Any], context: RunContext) -> list[Answer]:
    """Return the teacher's answers, from the cache when it has them.

    The key is the teacher, the inputs and the tools, so every stage that distils from the same
    teacher pays its forward pass once. A file that cannot be read is made again.
    """
    kept = kept_logits(
        _file(teacher, inputs, context),
        (len(inputs), len(teacher.labels)),
        lambda: np.stack(_compute(teacher, inputs, context)),
    )
    return list(kept)


def _file(teacher: Artifact, inputs: Sequence[Any], context: RunContext) -> Path | None:
    if context.shared is None:
        return None
    key = stable_hash([teacher.digest, teacher.max_length, list(inputs), tool_versions()])
    return context.shared / f"logits-{key[:32]}.npy"


def _compute(teacher: Artifact, inputs: Sequence[Any], context: RunContext) -> list[Answer]:
    from compress.training.loop import accelerator_device, answers_of

    task = task_of(teacher.task)
    model = load_model(teacher.path, teacher.task).to(accelerator_device())
    tokenizer = load_tokenizer(teacher.path, teacher.max_length)
    encoded = encode(tokenizer, inputs, model.config, task)
    with context.progress.task("teacher logits", len(inputs)) as advance:
        return answers_of(model, encoded, task, advance=advance)

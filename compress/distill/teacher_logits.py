"""The teacher's logits, computed once for each text and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.answers.kept import kept_logits
from compress.models.torch_model import load_model, load_tokenizer
from compress.stage import RunContext, tool_versions
from compress.training.batches import encode
from runtimes.artifact import Artifact
from runtimes.files import stable_hash

if TYPE_CHECKING:
    from pathlib import Path


def teacher_logits(
    teacher: Artifact, texts: Sequence[str], context: RunContext
) -> NDArray[np.float32]:
    """Return the teacher's logits, shape (texts, classes), from the cache when it has them.

    The key is the teacher, the texts and the tools, so every stage that distils from the same
    teacher pays its forward pass once. A file that cannot be read is made again.
    """
    return kept_logits(
        _file(teacher, texts, context),
        (len(texts), len(teacher.labels)),
        lambda: _compute(teacher, texts, context),
    )


def _file(teacher: Artifact, texts: Sequence[str], context: RunContext) -> Path | None:
    if context.shared is None:
        return None
    key = stable_hash([teacher.digest, teacher.max_length, list(texts), tool_versions()])
    return context.shared / f"logits-{key[:32]}.npy"


def _compute(teacher: Artifact, texts: Sequence[str], context: RunContext) -> NDArray[np.float32]:
    from compress.training.loop import accelerator_device, logits_of

    model = load_model(teacher.path).to(accelerator_device())
    tokenizer = load_tokenizer(teacher.path, teacher.max_length)
    encoded = encode(tokenizer, texts, model.config)
    with context.progress.task("teacher logits", len(texts)) as advance:
        return logits_of(model, encoded, advance=advance)

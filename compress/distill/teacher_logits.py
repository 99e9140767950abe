"""The teacher's logits, computed once for each text and kept."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.batches import encode
from compress.models import load_model, load_tokenizer
from compress.stage import RunContext, tool_versions
from runtimes.artifact import Artifact
from runtimes.files import stable_hash, write_bytes

if TYPE_CHECKING:
    from pathlib import Path


def teacher_logits(
    teacher: Artifact, texts: Sequence[str], context: RunContext
) -> NDArray[np.float32]:
    """Return the teacher's logits, shape (texts, classes), from the cache when it has them.

    The key is the teacher, the texts and the tools, so every stage that distils from the same
    teacher pays its forward pass once. A file that cannot be read is made again.
    """
    kept = _file(teacher, texts, context)
    cached = _read(kept, (len(texts), len(teacher.labels)))
    if cached is not None:
        return cached
    logits = _compute(teacher, texts, context)
    if kept is not None:
        buffer = io.BytesIO()
        np.save(buffer, logits, allow_pickle=False)
        write_bytes(kept, buffer.getvalue())
    return logits


def _file(teacher: Artifact, texts: Sequence[str], context: RunContext) -> Path | None:
    if context.shared is None:
        return None
    key = stable_hash([teacher.digest, teacher.max_length, list(texts), tool_versions()])
    return context.shared / f"logits-{key[:32]}.npy"


def _read(file: Path | None, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    if file is None or not file.is_file():
        return None
    try:
        logits: NDArray[np.float32] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return logits if logits.shape == shape and logits.dtype == np.float32 else None


def _compute(teacher: Artifact, texts: Sequence[str], context: RunContext) -> NDArray[np.float32]:
    from compress.training import accelerator_device, logits_of

    model = load_model(teacher.path).to(accelerator_device())
    tokenizer = load_tokenizer(teacher.path, teacher.max_length)
    encoded = encode(tokenizer, texts, model.config)
    with context.progress.task("teacher logits", len(texts)) as advance:
        return logits_of(model, encoded, advance=advance)

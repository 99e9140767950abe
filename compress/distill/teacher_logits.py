"""The teacher's logits, computed once for each text and kept."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runtimes.artifact import Artifact
from runtimes.files import stable_hash, write_bytes

from compress.batches import encode
from compress.models import load_model, load_tokenizer
from compress.stage import RunContext

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 512


def teacher_logits(
    teacher: Artifact, texts: Sequence[str], context: RunContext
) -> NDArray[np.float32]:
    """Return the teacher's logits, shape (texts, classes), from the cache when it has them.

    The key is the teacher's digest and the texts, so every stage that distils from the same
    teacher pays its forward pass once.
    """
    kept = _file(teacher, texts, context)
    if kept is not None and kept.is_file():
        cached: NDArray[np.float32] = np.load(kept, allow_pickle=False)
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
    return context.shared / f"logits-{stable_hash([teacher.digest, list(texts)])[:32]}.npy"


def _compute(
    teacher: Artifact, texts: Sequence[str], context: RunContext
) -> NDArray[np.float32]:
    from compress.training import accelerator_device, logits_of

    device = accelerator_device()
    model = load_model(teacher.path).to(device)  # type: ignore[arg-type]
    tokenizer = load_tokenizer(teacher.path, teacher.max_length)
    encoded = encode(tokenizer, texts, model.config)
    parts = []
    with context.progress.task("teacher logits", len(texts)) as advance:
        for start in range(0, len(texts), _CHUNK):
            part = type(encoded)(
                encoded.ids[start : start + _CHUNK], encoded.names, encoded.pad_id
            )
            parts.append(logits_of(model, part))
            advance(len(part), "")
    return np.concatenate(parts)

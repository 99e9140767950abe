"""Logits that are computed once and kept in a file named by what they were computed from."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtimes.files import write_bytes

Logits = NDArray[np.float32]


def kept_logits(file: Path | None, shape: tuple[int, int], compute: Callable[[], Logits]) -> Logits:
    """Return the logits that `file` keeps, or compute and keep them.

    A file that cannot be read, or holds another shape (rows, classes), is made again. Without
    a file they are computed.
    """
    cached = _read(file, shape)
    if cached is not None:
        return cached
    logits = compute()
    if file is not None:
        buffer = io.BytesIO()
        np.save(buffer, logits, allow_pickle=False)
        write_bytes(file, buffer.getvalue())
    return logits


def _read(file: Path | None, shape: tuple[int, int]) -> Logits | None:
    if file is None or not file.is_file():
        return None
    try:
        logits: Logits = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return logits if logits.shape == shape and logits.dtype == np.float32 else None

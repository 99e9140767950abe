"""Cached answers: each file's name is a digest of what the answers depend on.

A file is sealed under its name. An attacker who can write to the cache could otherwise make a bad
model pass.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.answers import Answers
from compress.storage.seal import sealed, unsealed
from runtimes.files import write_bytes


def kept_answers(file: Path | None, rows: int, compute: Callable[[], Answers]) -> Answers:
    """Return the answers in `file`, or compute them and keep them there.

    A file that cannot be read, is not this user's, or holds another number of rows, is replaced.
    Without a file, or where none can be written, the answers are computed.
    """
    cached = _read(file, rows)
    if cached is not None:
        return cached
    answers = compute()
    if file is not None:
        with suppress(OSError):  # a cache that takes no file costs time, not the answers
            write_answers(file, answers)
    return answers


def write_answers(file: Path, answers: Answers) -> None:
    """Write answers as a sealed .npz: the values in one array, with all ranks and shapes."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        values=np.concatenate([np.zeros(0, np.float32), *(one.ravel() for one in answers)]),
        ranks=np.array([one.ndim for one in answers], dtype=np.int64),
        sizes=np.array([size for one in answers for size in one.shape], dtype=np.int64),
    )
    write_bytes(file, sealed(file.name, buffer.getvalue()))


def _read(file: Path | None, rows: int) -> Answers | None:
    if file is None or not file.is_file():
        return None
    try:
        content = unsealed(file.name, file.read_bytes())
        if content is None:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            answers = _cut(kept["values"], kept["ranks"], kept["sizes"])
    except Exception:  # numpy and zipfile raise eight types for a damaged file
        return None
    return answers if len(answers) == rows else None


def _cut(
    values: NDArray[np.float32], ranks: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Answers:
    """Return the answers from the arrays; raise ValueError when they do not fit together."""
    if values.dtype != np.float32 or (sizes < 0).any() or (ranks < 0).any():
        raise ValueError("no answers")
    if same := _same_shape(ranks, sizes):
        return list(values.reshape(same))
    shapes = [tuple(shape) for shape in _parts(sizes.tolist(), ranks.tolist())]
    flat = _parts(values, [math.prod(shape) for shape in shapes])
    return [one.reshape(shape) for one, shape in zip(flat, shapes, strict=True)]


def _same_shape(ranks: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the common shape of all answers with their number, () where the shapes differ."""
    if not len(ranks) or (ranks != ranks[0]).any():
        return ()
    shapes = sizes.reshape(len(ranks), ranks[0])
    return (len(ranks), *shapes[0].tolist()) if (shapes == shapes[0]).all() else ()


def _parts(row: Any, lengths: list[int]) -> list[Any]:
    """Split an array into parts of these lengths; raise ValueError when the sum does not fit."""
    ends = list(itertools.accumulate(lengths))
    if len(row) != (ends or [0])[-1]:
        raise ValueError("lengths that are not the row's")
    return [row[end - length : end] for end, length in zip(ends, lengths, strict=True)]

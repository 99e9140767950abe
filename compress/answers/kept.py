"""Answers that are computed once and kept in a file named by what they were computed from."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.answers import Answers
from runtimes.files import write_bytes


def kept_answers(file: Path | None, rows: int, compute: Callable[[], Answers]) -> Answers:
    """Return the answers that `file` keeps, or compute and keep them.

    A file that cannot be read, or holds another number of rows, is made again. Without a file
    they are computed.
    """
    cached = _read(file, rows)
    if cached is not None:
        return cached
    answers = compute()
    if file is not None:
        write_answers(file, answers)
    return answers


def write_answers(file: Path, answers: Answers) -> None:
    """Write answers as an .npz: all values in a row, and each answer's rank and shape."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        values=np.concatenate([np.zeros(0, np.float32), *(one.ravel() for one in answers)]),
        ranks=np.array([one.ndim for one in answers], dtype=np.int64),
        sizes=np.array([size for one in answers for size in one.shape], dtype=np.int64),
    )
    write_bytes(file, buffer.getvalue())


def _read(file: Path | None, rows: int) -> Answers | None:
    if file is None or not file.is_file():
        return None
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            answers = _cut(kept["values"], kept["ranks"], kept["sizes"])
    except Exception:  # numpy and zipfile raise eight kinds on files that are not as written
        return None
    return answers if len(answers) == rows else None


def _cut(
    values: NDArray[np.float32], ranks: NDArray[np.int64], sizes: NDArray[np.int64]
) -> Answers:
    """Return the answers that are in a row; raise ValueError when they are not answers."""
    if values.dtype != np.float32 or (sizes < 0).any() or (ranks < 0).any():
        raise ValueError("no answers")
    if same := _same_shape(ranks, sizes):
        return list(values.reshape(same))
    shapes = [tuple(shape) for shape in _parts(sizes.tolist(), ranks.tolist())]
    flat = _parts(values, [math.prod(shape) for shape in shapes])
    return [one.reshape(shape) for one, shape in zip(flat, shapes, strict=True)]


def _same_shape(ranks: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the shape of all answers together where each has the same, else nothing."""
    if not len(ranks) or (ranks != ranks[0]).any():
        return ()
    shapes = sizes.reshape(len(ranks), ranks[0])
    return (len(ranks), *shapes[0].tolist()) if (shapes == shapes[0]).all() else ()


def _parts(row: Any, lengths: list[int]) -> list[Any]:
    """Cut a row into parts of these lengths; raise ValueError when they are not the whole."""
    ends = list(itertools.accumulate(lengths))
    if len(row) != (ends or [0])[-1]:
        raise ValueError("lengths that are not the row's")
    return [row[end - length : end] for end, length in zip(ends, lengths, strict=True)]

"""Rows as token ids, and the rows of one training step as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tokens:
    """Hold one row's token ids: one sequence, or several windows of a long row.

    `types` are the types of the windows' tokens; () where all are 0. `places` (answers, 2) are the
    window and the position at which a task with several answers a row reads each of them; None for
    a task with one answer a row.
    """

    windows: tuple[Sequence[int], ...]
    places: NDArray[np.int64] | None = None
    types: tuple[Sequence[int], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold the rows of one step: their indices in the split and their padded inputs.

    The inputs have a line for each window of each row. `places`, one array a row, are the line and
    the position of each answer (answers, 2), for a task with several answers a row.
    """

    rows: NDArray[np.int64]
    inputs: dict[str, Any]
    places: tuple[NDArray[np.int64], ...] = ()

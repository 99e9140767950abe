"""The rows of one training step, as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Batch:
    """Hold the rows of one step: their indices in the split and their padded inputs."""

    rows: NDArray[np.int64]
    inputs: dict[str, Any]

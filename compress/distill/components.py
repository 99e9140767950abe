"""The principal components of a teacher's vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


def principal_components(
    vectors: Sequence[NDArray[np.float32]], dimensions: int
) -> tuple[Tensor, float]:
    """Return orthonormal rows (dimensions, full), and the share of the squared length they hold.

    The mean is not taken out: cosines are those of the vectors themselves, and these components
    keep their inner products best (Eckart & Young 1936). All components are returned where the
    vectors have fewer.
    """
    import torch

    given = np.stack(vectors).astype(np.float64)
    values, columns = np.linalg.eigh(given.T @ given)
    basis = columns[:, ::-1][:, :dimensions].T
    kept = float(values[::-1][:dimensions].sum() / values.sum())
    return torch.from_numpy(np.ascontiguousarray(basis)).float(), kept

"""What a change to a model does to its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Effect:
    """Hold what a change does to answers: `kl` is the mean divergence from the source in nats.

    `agreement` is the share of rows with the source's class, `accuracy` that of right ones.
    """

    kl: float
    agreement: float
    accuracy: float


def compared(known: Logits, found: Logits, labels: Sequence[int]) -> Effect:
    """Return how far logits of shape (rows, classes) are from known ones."""
    before, after = _log_softmax(known), _log_softmax(found)
    answers = found.argmax(axis=1)
    return Effect(
        kl=float((np.exp(before) * (before - after)).sum(axis=1).mean()),
        agreement=float(np.mean(answers == known.argmax(axis=1))),
        accuracy=float(np.mean(answers == np.asarray(labels))),
    )


def _log_softmax(logits: Logits) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found

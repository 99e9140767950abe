"""Start and end logits at the pieces of each context, as rows that losses read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.tasks.shares import log_softmax
from runtimes.tasks.answer_spans import best_span

if TYPE_CHECKING:
    from torch import Tensor

    from compress.data.batch import Batch

Logits = Sequence[NDArray[np.float32]]
"""The start and end logits of each row's pieces, of shape (pieces, 2)."""

_NEVER = -1e4
"""The logit of a place beyond a row's pieces: its probability is 0, and so is its part of a KL."""


def of_batch(output: Any, batch: Batch) -> Tensor:
    """Return a torch model's logits as (2 · rows, pieces): starts and ends of each row in turn.

    A row's pieces compete over all its windows (shared normalisation: Clark & Gardner 2018).
    """
    import torch

    halves = [half for places in batch.places for half in np.split(places, 2)]
    lines, mask = _filled([half[:, 0] for half in halves], 0)
    tokens, _ = _filled([half[:, 1] for half in halves], 0)
    which = np.arange(len(halves))[:, None] % 2 + np.zeros_like(lines)
    device = output.logits.device
    places = (torch.from_numpy(one).to(device) for one in (lines, tokens, which))
    logits: Tensor = output.logits[tuple(places)]
    return torch.where(torch.from_numpy(mask).to(device), logits, _NEVER)


def of_known(known: Logits, like: Tensor) -> Tensor:
    """Return answers in the form of `of_batch`, on the device of `like`."""
    import torch

    rows, _ = _filled([column for answer in known for column in answer.T], _NEVER)
    return torch.from_numpy(rows).to(like)


def answers_in(output: Any, batch: Batch) -> Logits:
    """Return the logits at the pieces of each row of a batch."""
    logits = output.logits.float().cpu().numpy()
    halves = [np.split(places, 2) for places in batch.places]
    return [
        np.stack(
            [logits[half[:, 0], half[:, 1], which] for which, half in enumerate((starts, ends))],
            axis=1,
        )
        for starts, ends in halves
    ]


def span_of(answer: NDArray[np.float32]) -> tuple[int, int]:
    """Return the first and the last piece of an answer's best span."""
    starts, ends = answer.T.tolist()
    return best_span(starts, ends)


def divergences(known: Logits, answers: Logits) -> NDArray[np.float64]:
    """Return the mean KL divergence of each row's start and end from the known ones, in nats."""
    pairs = (
        (log_softmax(one.T), log_softmax(other.T))
        for one, other in zip(known, answers, strict=True)
    )
    each = [(np.exp(one) * (one - other)).sum(axis=1).mean() for one, other in pairs]
    return np.array(each, dtype=np.float64)


def _filled(rows: Sequence[NDArray[Any]], padding: float) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return rows as one array, (rows, longest), and which of its places they fill."""
    made = np.full((len(rows), max(map(len, rows))), padding, dtype=rows[0].dtype)
    mask = np.zeros(made.shape, dtype=bool)
    for place, row in enumerate(rows):
        made[place, : len(row)], mask[place, : len(row)] = row, True
    return made, mask

"""Texts become token ids, and token ids become batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compress.data.batch import Batch
from compress.tasks import Task

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_POOL = 32
"""Batches that are sorted by length together: few, to stay mixed; enough, to pad little."""


class Examples(Protocol):
    """Rows that can be batched; `lengths` decides which go together."""

    def __len__(self) -> int: ...

    def lengths(self) -> NDArray[np.int64]:
        """Return each row's length."""

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        """Return the given rows as one batch of torch tensors."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hold the token ids of every row, and the settings for padding.

    `names` are the model's inputs; `pad_id` is the model's own padding id.
    """

    ids: tuple[NDArray[np.int64], ...]
    names: tuple[str, ...]
    pad_id: int

    def __len__(self) -> int:
        return len(self.ids)

    def lengths(self) -> NDArray[np.int64]:
        """Return each row's number of tokens."""
        return np.array([len(row) for row in self.ids], dtype=np.int64)

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        """Pad the given rows to their longest, as torch tensors."""
        import torch

        width = max(len(self.ids[row]) for row in rows)
        ids = np.full((len(rows), width), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for place, row in enumerate(rows):
            tokens = self.ids[row]
            ids[place, : len(tokens)] = tokens
            mask[place, : len(tokens)] = 1
        arrays = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return Batch(rows, {name: torch.from_numpy(arrays[name]) for name in self.names})

    def remapped(self, table: NDArray[np.int64]) -> Encoded:
        """Return the same rows with every id replaced by `table[id]`."""
        return Encoded(tuple(table[row] for row in self.ids), self.names, int(table[self.pad_id]))


def encode(tokenizer: Tokenizer, inputs: Sequence[Any], config: Any, task: Task) -> Encoded:
    """Encode inputs, one row each, with special tokens, for a model of this configuration."""
    from compress.models.torch_model import model_inputs

    rows = task.encode(tokenizer, inputs)
    return Encoded(
        ids=tuple(np.array(row.ids, dtype=np.int64) for row in rows),
        names=tuple(spec.name for spec in model_inputs(config)),
        pad_id=config.pad_token_id or 0,
    )


def shuffled(
    examples: Examples, rows: NDArray[np.int64], size: int, seed: int
) -> list[NDArray[np.int64]]:
    """Return the given rows in random batches, with similar lengths within a batch."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(rows)
    lengths = examples.lengths()
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), size * _POOL):
        pool = order[start : start + size * _POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[i : i + size] for i in range(0, len(pool), size)]
    generator.shuffle(batches)
    return batches


def in_order(examples: Examples, size: int) -> Iterator[Batch]:
    """Yield every row once, shortest first, for inference."""
    order = np.argsort(examples.lengths(), kind="stable")
    for start in range(0, len(order), size):
        yield examples.collate(order[start : start + size])

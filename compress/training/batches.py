"""Texts become token ids, and token ids become batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compress.data.batch import Batch, Tokens
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

    `names` are the model's inputs; `pad_id` is the model's own padding id. A row of several windows
    holds them one after the other; `lengths_of` are then their lengths (windows,). `places` are
    those of `Tokens`. Both are empty for a task with one window and one answer a row. `types` are
    the tokens' types, of the lengths of `ids`; () where all are 0.
    """

    ids: tuple[NDArray[np.int64], ...]
    names: tuple[str, ...]
    pad_id: int
    lengths_of: tuple[tuple[int, ...], ...] = ()
    places: tuple[NDArray[np.int64], ...] = ()
    types: tuple[NDArray[np.int64], ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def lengths(self) -> NDArray[np.int64]:
        """Return each row's number of tokens, that of its longest window."""
        if self.lengths_of:
            return np.array([max(row) for row in self.lengths_of], dtype=np.int64)
        return np.array([len(row) for row in self.ids], dtype=np.int64)

    def collate(self, rows: NDArray[np.int64]) -> Batch:
        """Pad the windows of the given rows to the longest, as torch tensors."""
        import torch

        windows = [self._windows(self.ids, row) for row in rows]
        lines = [window for row in windows for window in row]
        types = [window for row in rows for window in self._windows(self.types, row)]
        arrays = {
            "input_ids": _padded(lines, self.pad_id),
            "attention_mask": _padded([np.ones_like(line) for line in lines], 0),
            "token_type_ids": _padded(types or [np.zeros_like(line) for line in lines], 0),
        }
        inputs = {name: torch.from_numpy(arrays[name]) for name in self.names}
        return Batch(rows, inputs, self._places(rows, [len(row) for row in windows]))

    def _windows(self, values: Sequence[NDArray[np.int64]], row: int) -> list[NDArray[np.int64]]:
        """Return a row's values window by window; [] where no row has any."""
        if not values:
            return []
        if not self.lengths_of:
            return [values[row]]
        return np.split(values[row], np.cumsum(self.lengths_of[row])[:-1])

    def _places(
        self, rows: NDArray[np.int64], windows: Sequence[int]
    ) -> tuple[NDArray[np.int64], ...]:
        """Return the rows' places, with the windows counted over the whole batch."""
        if not self.places:
            return ()
        firsts = np.cumsum([0, *windows[:-1]])
        return tuple(
            self.places[row] + np.array([first, 0]) for row, first in zip(rows, firsts, strict=True)
        )

    def remapped(self, table: NDArray[np.int64]) -> Encoded:
        """Return the same rows with every id replaced by `table[id]`."""
        ids = tuple(table[row] for row in self.ids)
        return replace(self, ids=ids, pad_id=int(table[self.pad_id]))

    def first(self, count: int) -> Encoded:
        """Return the first rows alone."""
        return replace(
            self,
            ids=self.ids[:count],
            lengths_of=self.lengths_of[:count],
            places=self.places[:count],
            types=self.types[:count],
        )


def _padded(lines: Sequence[NDArray[np.int64]], padding: int) -> NDArray[np.int64]:
    """Return lines of numbers as one array, (lines, longest)."""
    made = np.full((len(lines), max(map(len, lines))), padding, dtype=np.int64)
    for place, line in enumerate(lines):
        made[place, : len(line)] = line
    return made


def encode(tokenizer: Tokenizer, inputs: Sequence[Any], config: Any, task: Task) -> Encoded:
    """Encode inputs, one row each, with special tokens, for a model of this configuration."""
    from compress.models.torch_model import model_inputs

    rows: list[Tokens] = task.encode(tokenizer, inputs)
    windowed = any(len(row.windows) > 1 for row in rows)
    return Encoded(
        ids=tuple(np.concatenate(row.windows).astype(np.int64) for row in rows),
        names=tuple(spec.name for spec in model_inputs(config)),
        pad_id=config.pad_token_id or 0,
        lengths_of=tuple(tuple(map(len, row.windows)) for row in rows) if windowed else (),
        places=tuple(row.places for row in rows if row.places is not None),
        types=tuple(np.concatenate(row.types).astype(np.int64) for row in rows if row.types),
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

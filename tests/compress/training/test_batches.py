"""Length buckets hold every row once and are mixed again each epoch."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.training.batches import Encoded, in_order, shuffled
from tests.absent import needs


def rows_of(lengths: list[int], pad_id: int = 0) -> Encoded:
    ids = tuple(np.arange(2, 2 + length, dtype=np.int64) for length in lengths)
    return Encoded(ids, ("input_ids", "attention_mask"), pad_id)


@settings(deadline=None)  # the first example imports torch
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=300),
    size=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_every_row_is_in_one_batch_and_a_seed_is_an_order(
    lengths: list[int], size: int, seed: int
) -> None:
    needs("torch")
    rows = rows_of(lengths)
    batches = shuffled(rows, np.arange(len(rows)), size, seed)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    again = shuffled(rows, np.arange(len(rows)), size, seed)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    ordered = np.concatenate([batch.rows for batch in in_order(rows, size)])
    assert sorted(ordered.tolist()) == list(range(len(lengths)))


def test_buckets_pad_far_less_than_chance() -> None:
    lengths = np.random.default_rng(0).geometric(0.06, size=3000).tolist()
    rows = rows_of(lengths)

    def cells(batches: list[np.ndarray]) -> int:
        return sum(len(batch) * int(rows.lengths()[batch].max()) for batch in batches)

    chance = np.array_split(np.random.default_rng(1).permutation(3000), 94)
    assert cells(shuffled(rows, np.arange(3000), 32, 0)) < 0.5 * cells(chance)
    assert cells(shuffled(rows, np.arange(3000), 32, 0)) < 1.15 * sum(lengths)


def test_batches_come_in_no_order_of_length_and_change_with_the_seed() -> None:
    rows = rows_of(np.random.default_rng(0).integers(1, 40, size=1024).tolist())
    widths = [int(rows.lengths()[batch].max()) for batch in shuffled(rows, np.arange(1024), 32, 0)]
    assert widths != sorted(widths)
    one, two = (np.concatenate(shuffled(rows, np.arange(1024), 32, seed)) for seed in (0, 1))
    assert not np.array_equal(one, two)


def test_padding_is_the_models_own_and_masked() -> None:
    needs("torch")
    batch = rows_of([1, 3], pad_id=9).collate(np.array([0, 1]))
    assert batch.inputs["input_ids"].tolist() == [[2, 9, 9], [2, 3, 4]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]


def test_an_epoch_may_take_some_rows_alone() -> None:
    rows = rows_of([3] * 20)
    taken = np.array([1, 4, 17])
    assert sorted(np.concatenate(shuffled(rows, taken, 2, 5)).tolist()) == [1, 4, 17]

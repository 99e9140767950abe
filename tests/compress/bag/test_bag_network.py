"""A bag's network and its pairs: what is folded, begun with and counted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.bag.pairs import frequent_pairs

PADDING, COUNT, WIDTH = 0, 12, 8


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 4),
    st.lists(st.integers(1, COUNT - 1), min_size=1, max_size=9),
    st.integers(0, 5),
    st.integers(0, 3),
)
def test_folded_vectors_give_the_normalized_sum_of_the_weighted_ones(
    seed: int, spread: float, ids: list[int], padding: int, blocks: int
) -> None:
    import torch

    from compress.bag.network import Bag

    torch.manual_seed(seed)
    bag = Bag(torch.randn(COUNT, WIDTH), PADDING, 16, 3, blocks).eval()
    bag.norm.eps = 1e-12  # a sum's own factor is no part of what is compared
    torch.nn.init.normal_(bag.weights.weight, std=spread)
    row = torch.tensor([ids + [PADDING] * padding])
    with torch.no_grad():
        wanted = bag(row).logits
        summed = bag.blocks(bag.norm(bag.folded_vectors()[row].sum(dim=1)))
        given_ = bag.outer(torch.nn.functional.gelu(bag.inner(summed)))
    assert torch.allclose(given_, wanted, atol=1e-3)


@pytest.mark.parametrize("width", [4, 6, 20])
def test_a_student_begins_with_normalized_vectors_and_means_of_pairs(width: int) -> None:
    import torch

    from compress.bag.network import first_vectors

    torch.manual_seed(0)
    table = 5 + 3 * torch.randn(30, 6)
    made = first_vectors(table, [(3, 4), (9, 9)], width)
    assert made.shape == (32, min(width, 6))
    assert made[:30].square().mean() == pytest.approx(1, abs=1e-3)
    assert torch.allclose(made[30], (made[3] + made[4]) / 2)
    assert torch.allclose(made[31], made[9])


def test_the_pairs_of_the_most_rows_are_taken_in_the_order_of_ids() -> None:
    rows = [[1, 2, 3, 1, 2], [1, 2], [2, 3], [5, 4], [4, 5]]
    assert frequent_pairs(rows, 9, 1) == [(1, 2), (2, 3), (3, 1), (4, 5), (5, 4)]
    assert frequent_pairs(rows, 9, 2) == [(1, 2), (2, 3)]
    assert frequent_pairs(rows, 1, 1) == [(1, 2)]
    assert frequent_pairs(rows, 0, 1) == []

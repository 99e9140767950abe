"""Splits keep their shares, their groups and every class of train."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from compress.data.rows import LabelledRow
from compress.data.splitting import split_rows

LABELS = st.sampled_from("abcd")
SHARES = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**31 - 1)


@st.composite
def stratified(draw: st.DrawFn) -> list[LabelledRow]:
    labels = draw(st.lists(LABELS, min_size=2, max_size=120))
    return [LabelledRow(f"text {place}", label) for place, label in enumerate(labels)]


@st.composite
def grouped(draw: st.DrawFn) -> list[LabelledRow]:
    drawn = draw(st.lists(st.tuples(LABELS, st.integers(0, 20)), min_size=2, max_size=120))
    return [LabelledRow(f"text {n}", label, f"g{group}") for n, (label, group) in enumerate(drawn)]


@given(rows=stratified(), share=SHARES, seed=SEEDS)
def test_every_class_gives_its_share_and_keeps_a_row(
    rows: list[LabelledRow], share: float, seed: int
) -> None:
    part = split_rows(rows, share, seed)[1]
    taken = Counter(row.label for row in part)
    for label, count in Counter(row.label for row in rows).items():
        assert taken[label] == min(max(1, round(count * share)), count - 1)


@given(rows=st.one_of(stratified(), grouped()), share=SHARES, seed=SEEDS)
def test_a_split_parts_the_rows_in_their_order(
    rows: list[LabelledRow], share: float, seed: int
) -> None:
    rest, part = split_rows(rows, share, seed)
    held = set(part)
    assert rest == [row for row in rows if row not in held]
    assert part == [row for row in rows if row in held]
    assert {row.label for row in rest} == {row.label for row in rows}
    assert split_rows(rows, share, seed) == (rest, part)


@given(rows=grouped(), share=SHARES, seed=SEEDS)
def test_no_group_is_on_both_sides(rows: list[LabelledRow], share: float, seed: int) -> None:
    rest, part = split_rows(rows, share, seed)
    assert not {row.group for row in rest} & {row.group for row in part}


@given(rows=grouped(), share=SHARES, seed=SEEDS)
def test_a_class_gives_at_most_half_a_group_more_than_its_share(
    rows: list[LabelledRow], share: float, seed: int
) -> None:
    part = Counter(row.label for row in split_rows(rows, share, seed)[1])
    sizes = Counter((row.group, row.label) for row in rows)
    for label, count in Counter(row.label for row in rows).items():
        largest = max(size for (_, name), size in sizes.items() if name == label)
        assert part[label] <= count * share + largest / 2


def test_many_small_groups_give_their_share() -> None:
    rows = [LabelledRow(f"t{n}", "ab"[n % 2], f"g{n // 4}") for n in range(400)]
    part = split_rows(rows, 0.15, 7)[1]
    assert 56 <= len(part) <= 64


def test_another_seed_splits_otherwise() -> None:
    rows = [LabelledRow(f"t{n}", "ab"[n % 2]) for n in range(100)]
    assert split_rows(rows, 0.15, 1) != split_rows(rows, 0.15, 2)

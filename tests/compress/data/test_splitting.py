"""Splits keep their shares, their groups and every class of train."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from compress.data.rows import Record
from compress.data.splitting import split_rows

LABELS = st.sampled_from("abcd")
SHARES = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**31 - 1)


@st.composite
def stratified(draw: st.DrawFn) -> list[Record]:
    labels = draw(st.lists(LABELS, min_size=2, max_size=120))
    return [Record(f"text {place}", label) for place, label in enumerate(labels)]


def parted(rows: list[Record], share: float, seed: int) -> tuple[list[Record], list[Record]]:
    return split_rows(rows, share, seed, lambda row: str(row.target))


@st.composite
def grouped(draw: st.DrawFn) -> list[Record]:
    drawn = draw(st.lists(st.tuples(LABELS, st.integers(0, 20)), min_size=2, max_size=120))
    return [Record(f"text {n}", label, f"g{group}") for n, (label, group) in enumerate(drawn)]


@given(rows=stratified(), share=SHARES, seed=SEEDS)
def test_every_class_gives_its_share_and_keeps_a_row(
    rows: list[Record], share: float, seed: int
) -> None:
    part = parted(rows, share, seed)[1]
    taken = Counter(row.target for row in part)
    for label, count in Counter(row.target for row in rows).items():
        assert taken[label] == min(max(1, round(count * share)), count - 1)


@given(rows=st.one_of(stratified(), grouped()), share=SHARES, seed=SEEDS)
def test_a_split_parts_the_rows_in_their_order(rows: list[Record], share: float, seed: int) -> None:
    rest, part = parted(rows, share, seed)
    held = set(part)
    assert rest == [row for row in rows if row not in held]
    assert part == [row for row in rows if row in held]
    assert {row.target for row in rest} == {row.target for row in rows}
    assert parted(rows, share, seed) == (rest, part)


@given(rows=grouped(), share=SHARES, seed=SEEDS)
def test_no_group_is_on_both_sides(rows: list[Record], share: float, seed: int) -> None:
    rest, part = parted(rows, share, seed)
    assert not {row.group for row in rest} & {row.group for row in part}


@given(rows=grouped(), share=SHARES, seed=SEEDS)
def test_a_class_gives_at_most_half_a_group_more_than_its_share(
    rows: list[Record], share: float, seed: int
) -> None:
    part = Counter(row.target for row in parted(rows, share, seed)[1])
    sizes = Counter((row.group, row.target) for row in rows)
    for label, count in Counter(row.target for row in rows).items():
        largest = max(size for (_, name), size in sizes.items() if name == label)
        assert part[label] <= count * share + largest / 2


def test_many_small_groups_give_their_share() -> None:
    rows = [Record(f"t{n}", "ab"[n % 2], f"g{n // 4}") for n in range(400)]
    part = parted(rows, 0.15, 7)[1]
    assert 56 <= len(part) <= 64


def test_another_seed_splits_otherwise() -> None:
    rows = [Record(f"t{n}", "ab"[n % 2]) for n in range(100)]
    assert parted(rows, 0.15, 1) != parted(rows, 0.15, 2)

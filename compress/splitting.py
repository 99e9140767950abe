"""Split rows by share: stratified by label, and whole groups where rows have one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from compress.data import LabelledRow

    Row = TypeVar("Row", bound=LabelledRow)


def split_rows(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Return (rest, part): `part` takes `share` of the rows of each class.

    Every class keeps at least one row in the rest, and has one in the part where it has two.
    Rows with a group move together with their group.
    """
    taken = _groups(rows, share, seed) if rows[0].group else _stratified(rows, share, seed)
    rest = [row for place, row in enumerate(rows) if place not in taken]
    return rest, [rows[place] for place in sorted(taken)]


def _stratified(rows: Sequence[Row], share: float, seed: int) -> set[int]:
    generator = np.random.default_rng(seed)
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row.label].append(place)
    taken: set[int] = set()
    for label in sorted(places):
        count = min(max(1, round(len(places[label]) * share)), len(places[label]) - 1)
        taken.update(int(place) for place in generator.permutation(places[label])[:count])
    return taken


def _groups(rows: Sequence[Row], share: float, seed: int) -> set[int]:
    """Take whole groups, in random order, while each of their classes still lacks rows."""
    generator = np.random.default_rng(seed)
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[str(row.group)].append(place)
    wanted = {label: count * share for label, count in Counter(r.label for r in rows).items()}
    taken: set[int] = set()
    names = sorted(places)
    for index in generator.permutation(len(names)):
        members = places[names[index]]
        counts = Counter(rows[place].label for place in members)
        if all(wanted[label] >= count / 2 for label, count in counts.items()):
            taken.update(members)
            for label, count in counts.items():
                wanted[label] -= count
    return taken

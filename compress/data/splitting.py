"""Split rows by share: stratified by label, and whole groups where rows have one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from compress.data.rows import LabelledRow


def split_rows(
    rows: Sequence[LabelledRow], share: float, seed: int
) -> tuple[list[LabelledRow], list[LabelledRow]]:
    """Return (rest, part): `part` takes `share` of the rows of each class, in the order given.

    Every class keeps at least one row in the rest, and has one in the part where it has two.
    Rows with a group move together with their group: there a class of the part may be missing,
    and the part may be empty, but no class is lost to the rest.
    """
    taken = _groups(rows, share, seed) if rows[0].group else _stratified(rows, share, seed)
    rest = [row for place, row in enumerate(rows) if place not in taken]
    return rest, [rows[place] for place in sorted(taken)]


def _stratified(rows: Sequence[LabelledRow], share: float, seed: int) -> set[int]:
    generator = np.random.default_rng(seed)
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[row.label].append(place)
    taken: set[int] = set()
    for label in sorted(places):
        count = min(max(1, round(len(places[label]) * share)), len(places[label]) - 1)
        taken.update(int(place) for place in generator.permutation(places[label])[:count])
    return taken


def _groups(rows: Sequence[LabelledRow], share: float, seed: int) -> set[int]:
    """Take whole groups, in random order, while each of their classes still lacks rows.

    A group is taken when that brings each of its classes nearer to its share, and leaves one
    row of each behind.
    """
    generator = np.random.default_rng(seed)
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[str(row.group)].append(place)
    left = Counter(row.label for row in rows)
    wanted = {label: count * share for label, count in left.items()}
    taken: set[int] = set()
    names = sorted(places)
    for index in generator.permutation(len(names)):
        members = places[names[index]]
        counts = Counter(rows[place].label for place in members)
        if all(left[c] > n and wanted[c] >= n / 2 for c, n in counts.items()):
            taken.update(members)
            left.subtract(counts)
            for label, count in counts.items():
                wanted[label] -= count
    return taken

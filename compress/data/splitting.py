"""Split rows by share: stratified, and in whole groups where rows have one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from compress.data.rows import Record


def split_rows(
    rows: Sequence[Record], share: float, seed: int, stratum: Callable[[Record], str]
) -> tuple[list[Record], list[Record]]:
    """Return (rest, part): `part` takes `share` of the rows of each stratum, in the order given.

    Every stratum, such as a class, keeps at least one row in the rest, and has one in the part if
    it has two rows. Rows of a group move together: then a stratum may be missing in the part, or
    the part may be empty, but the rest keeps every stratum.
    """
    kinds = [stratum(row) for row in rows]
    groups = [str(row.group) for row in rows]
    taken = (
        _groups(kinds, groups, share, seed) if rows[0].group else _stratified(kinds, share, seed)
    )
    rest = [row for place, row in enumerate(rows) if place not in taken]
    return rest, [rows[place] for place in sorted(taken)]


def _stratified(kinds: Sequence[str], share: float, seed: int) -> set[int]:
    generator = np.random.default_rng(seed)
    places: dict[str, list[int]] = defaultdict(list)
    for place, kind in enumerate(kinds):
        places[kind].append(place)
    taken: set[int] = set()
    for kind in sorted(places):
        count = min(max(1, round(len(places[kind]) * share)), len(places[kind]) - 1)
        taken.update(int(place) for place in generator.permutation(places[kind])[:count])
    return taken


def _groups(kinds: Sequence[str], groups: Sequence[str], share: float, seed: int) -> set[int]:
    """Take whole groups in random order, while their strata still need rows.

    A group is taken when it brings each of its strata nearer to its share, and leaves at least one
    row of each in the rest.
    """
    generator = np.random.default_rng(seed)
    places: dict[str, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        places[group].append(place)
    left = Counter(kinds)
    wanted = {kind: count * share for kind, count in left.items()}
    taken: set[int] = set()
    names = sorted(places)
    for index in generator.permutation(len(names)):
        members = places[names[index]]
        counts = Counter(kinds[place] for place in members)
        if all(left[kind] > n and wanted[kind] >= n / 2 for kind, n in counts.items()):
            taken.update(members)
            left.subtract(counts)
            for kind, count in counts.items():
                wanted[kind] -= count
    return taken

"""Wordings to splits: every split speaks of every scenario, each in words of its own."""

from collections.abc import Mapping

from compress.demo.dice import Dice
from compress.demo.lexicon import Family, Wording

WORDINGS = {"train": 2, "validation": 1, "test": 1}
"""The wordings that a split takes of each family's four: no other split has them."""

UNLABELED = "unlabeled"
"""An inbox without labels: customers use all wordings there, so its rows have any of the four."""

ROWS = {"test": 2400, "validation": 1200, "train": 3000, UNLABELED: 5000}
"""The rows of each table, in the order in which they are told."""


def assign(family: Family, seed: int) -> Mapping[str, tuple[Wording, ...]]:
    """Return the wordings of each table: which are held out is drawn family by family."""
    drawn = iter(Dice(seed, f"wordings/{family.group}").shuffled(family.wordings))
    taken = {split: tuple(next(drawn) for _ in range(count)) for split, count in WORDINGS.items()}
    return {**taken, UNLABELED: family.wordings}

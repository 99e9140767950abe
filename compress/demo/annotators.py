"""Label noise: people who sort tickets do not always agree."""

from collections import defaultdict
from collections.abc import Sequence

from compress.demo.dice import Dice
from compress.demo.lexicon import Family

# They disagree more about tickets that speak of two things.
NOISE = {"plain": 0.018, "mixed": 0.045}
CONFUSED_WITH = {
    "technical": ("billing", "billing", "feedback"),
    "billing": ("technical", "technical", "feedback"),
    "feedback": ("technical", "technical", "billing"),
    "abuse": ("technical", "feedback", "billing"),
}


def annotate(families: Sequence[Family], splits: Sequence[str], dice: Dice) -> list[str]:
    """Return a label for each row: its family's class, or now and then another.

    Every split gets the same share of slips, so that none is easier than another by luck.
    """
    labels = [family.label for family in families]
    strata: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (family, split) in enumerate(zip(families, splits, strict=True)):
        strata[split, family.kind].append(row)
    for (_, kind), rows in sorted(strata.items()):
        for row in dice.shuffled(rows)[: round(NOISE[kind] * len(rows))]:
            labels[row] = dice.pick(CONFUSED_WITH[labels[row]])
    return labels

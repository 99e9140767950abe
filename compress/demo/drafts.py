"""Tickets class by class, before they are split and labelled."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from compress.demo.dice import Dice
from compress.demo.duplicates import NearDuplicates
from compress.demo.lexicon import Family, Lexicon
from compress.demo.wording import compose, roughen

CLASS_SHARES = {"technical": 0.45, "billing": 0.35, "feedback": 0.15, "abuse": 0.05}
WORDS = range(5, 36)

# Most tickets speak of one thing.
PACE = {"plain": 1.0, "mixed": 0.7}
_PATIENCE = 60  # near-duplicates in a row before a family is taken to be exhausted


@dataclass(frozen=True, slots=True)
class Draft:
    """A ticket before it is split and labelled."""

    text: str
    family: Family


def drafts(lexicon: Lexicon, seed: int, rows: int) -> list[Draft]:
    """Return `rows` tickets in the class shares, none a near-duplicate of another."""
    known = NearDuplicates()
    told: list[Draft] = []
    for label, share in CLASS_SHARES.items():
        wanted = round(rows * share)
        of_class = _of_class(label, lexicon, seed, wanted, known)
        if len(of_class) < wanted:
            raise ValueError(
                f"rows={rows} needs {wanted} {label} tickets and the grammar tells "
                f"{len(of_class)} different ones: ask for {int(len(of_class) / share)} rows or less"
            )
        told += of_class
    return told


def _of_class(
    label: str, lexicon: Lexicon, seed: int, wanted: int, known: NearDuplicates
) -> list[Draft]:
    """Take from the families in turn, from some more often, until there are enough."""
    pace = Dice(seed, f"pace/{label}")
    waiting = deque(
        (_of_family(family, lexicon, seed, known), PACE[family.kind] * pace.between(50, 100) / 100)
        for family in lexicon.families
        if family.label == label
    )
    told: list[Draft] = []
    while waiting and len(told) < wanted:
        family, share = waiting.popleft()
        if pace.chance(share):
            draft = next(family, None)
            if draft is None:
                continue  # exhausted: it does not queue again
            told.append(draft)
        waiting.append((family, share))
    return told


def _of_family(
    family: Family, lexicon: Lexicon, seed: int, known: NearDuplicates
) -> Iterator[Draft]:
    """Yield new tickets until the family has had nothing new for a while."""
    # A stream of its own: a change to one family leaves the draws of the others alone.
    dice = Dice(seed, family.group)
    failures = 0
    while failures < _PATIENCE:
        text = roughen(compose(family, lexicon, dice), dice)
        failures += 1
        if len(text.split()) in WORDS and known.admit(text):
            failures = 0
            yield Draft(text, family)

"""Tickets table by table and class by class, before they are labeled."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compress.demo.dice import Dice
from compress.demo.duplicates import NearDuplicates, words
from compress.demo.lexicon import Family, Lexicon, Wording
from compress.demo.splits import assign
from compress.demo.wording import compose, roughen

CLASS_SHARES = {"technical": 0.45, "billing": 0.35, "feedback": 0.15, "abuse": 0.05}
WORDS = range(5, 36)

# Most tickets speak of one thing.
PACE = {"plain": 1.0, "mixed": 0.7}
_PATIENCE = 60  # near-duplicates in a row before a family is taken to be exhausted


@dataclass(frozen=True, slots=True)
class Draft:
    """A ticket before it is labeled."""

    text: str
    wording: Wording
    split: str

    @property
    def family(self) -> Family:
        """Return the scenario that it tells."""
        return self.wording.family


def drafts(lexicon: Lexicon, seed: int, rows: Mapping[str, int]) -> list[Draft]:
    """Return `rows` tickets of each table in the class shares, no two of them near-duplicates."""
    writer = _Writer(lexicon, seed)
    return [
        draft
        for split, count in rows.items()
        for label, share in CLASS_SHARES.items()
        for draft in writer.of_class(label, split, round(count * share))
    ]


def _frequencies(lexicon: Lexicon, seed: int) -> Counter[str]:
    """Count the words of one ticket of each wording."""
    dice = Dice(seed, "frequencies")
    wordings = [wording for family in lexicon.families for wording in family.wordings]
    return Counter(word for one in wordings for word in words(compose(one, lexicon, dice)))


class _Writer:
    """Tell tickets that differ from all that were told before."""

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        self._lexicon = lexicon
        self._seed = seed
        self._known = NearDuplicates(_frequencies(lexicon, seed))
        self._wordings = {family: assign(family, seed) for family in lexicon.families}

    def of_class(self, label: str, split: str, wanted: int) -> list[Draft]:
        """Take from the families in turn, from some more often, until there are enough."""
        pace = Dice(self._seed, f"pace/{split}/{label}")
        waiting = deque(
            (self._of_family(family, split), PACE[family.kind] * pace.between(50, 100) / 100)
            for family in self._lexicon.families
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
        if len(told) < wanted:
            raise ValueError(
                f"{split} needs {wanted} {label} tickets and the grammar tells {len(told)}"
                " different ones: ask for fewer rows"
            )
        return told

    def _of_family(self, family: Family, split: str) -> Iterator[Draft]:
        """Yield new tickets until the family has had nothing new for a while."""
        # A stream of its own: a change to one family leaves the draws of the others alone.
        dice = Dice(self._seed, f"{family.group}/{split}")
        wordings: Sequence[Wording] = self._wordings[family][split]
        failures = 0
        while failures < _PATIENCE:
            wording = dice.pick(wordings)
            text = roughen(compose(wording, self._lexicon, dice), dice)
            failures += 1
            if len(text.split()) in WORDS and self._known.admit(text):
                failures = 0
                yield Draft(text, wording, split)

"""Tags of words: read from rows in any of their forms, mended, and numbered for a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress.data.rows import Record
from runtimes.errors import DataError
from runtimes.tasks.entities import OUTSIDE, Entity, Kind, entities, kind_of
from runtimes.words import words_of


@dataclass(frozen=True, slots=True)
class Tagged:
    """Hold a row's input, how many words it has, and its entities; `mended` tells of a fault."""

    input: Any
    words: int
    entities: tuple[Entity, ...]
    mended: bool


def tagged(record: Record) -> Tagged:
    """Return a row's entities, from tags or from spans of characters.

    Tags that do not fit together, such as I- after O, are read as seqeval reads them. Raises
    DataError where the number of tags is not that of the words, or a span is outside the text.
    """
    if isinstance(record.target, str):
        return _of_tags(_split(record.input), record.target.split())
    given, target = record.input, record.target
    if isinstance(given, str) and not all(isinstance(tag, str) and tag for tag in target or [""]):
        return _of_spans(given, target)
    if isinstance(given, str) and len(words_of(given)[1]) != len(target):
        given = given.split()
    return _of_tags(given, target)


def _split(value: Any) -> Any:
    return value.split() if isinstance(value, str) else value


def _of_tags(given: Any, tags: Sequence[str]) -> Tagged:
    words = len(words_of(given)[1])
    if words != len(tags):
        raise DataError(
            f"a row of {words} words with {len(tags)} tags: {str(given)[:60]!r}",
            expected="one tag a word",
            action="correct the row, or name the columns of words and tags by `text` and `label`",
        )
    kinds = [kind_of(tag) for tag in tags]
    found = entities(kinds)
    wanted = spelled(found, words, ends={kind.position for kind in kinds} & {"E", "S"} != set())
    return Tagged(given, words, tuple(found), kinds != wanted)


def _of_spans(text: Any, spans: Sequence[Any]) -> Tagged:
    """Return the entities that spans (start, end, type) of characters tell, in whole words.

    A span that begins or ends inside a word takes the whole word; of two that share a word the
    first one has it. Both are said to be mended.
    """
    _, words = words_of(text)
    found: list[Entity] = []
    mended, free = False, 0
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        inside = [place for place, (a, b) in enumerate(words) if a < end and b > start]
        if not 0 <= start < end or not inside:
            raise DataError(
                f"a span from {start} to {end} in a text of {len(text)} characters",
                expected="a start from 0, and an end after it, with a word between them",
                action="correct the row's spans: they count characters, and the end is excluded",
            )
        whole = (words[inside[0]][0], words[inside[-1]][1]) == (start, end)
        mended |= not whole or inside[0] < free
        inside = [place for place in inside if place >= free]
        if inside:
            found.append(Entity(kind, inside[0], inside[-1]))
            free = inside[-1] + 1
    return Tagged(text, len(words), tuple(found), mended)


def spelled(found: Iterable[Entity], words: int, *, ends: bool) -> list[Kind]:
    """Return each word's tag: BIO, or BIOES with `ends`."""
    kinds = [Kind(OUTSIDE, "")] * words
    for kind, first, last in found:
        kinds[first : last + 1] = [Kind("I", kind)] * (last + 1 - first)
        kinds[first] = Kind("B", kind)
        if ends:
            kinds[last] = Kind("S" if first == last else "E", kind)
    return kinds


def types_of(rows: Iterable[Tagged]) -> tuple[str, ...]:
    """Return the types of all entities, in sorted order."""
    return tuple(sorted({entity.type for row in rows for entity in row.entities}))


def bio_labels(types: Sequence[str]) -> tuple[str, ...]:
    """Return a model's labels for these types: O, and B and I of each."""
    return (OUTSIDE, *(f"{position}-{kind}" for kind in types for position in "BI"))


class Numbers:
    """Number the tags of a model with these labels, whatever scheme and order they have.

    Raises DataError for labels of which none says that a word is outside of all entities.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.kinds = [kind_of(label) for label in labels]
        self._places: Mapping[Kind, int] = {kind: i for i, kind in enumerate(self.kinds)}
        self._ends = any(kind.position in "ES" for kind in self.kinds)
        self.types = tuple(dict.fromkeys(kind.type for kind in self.kinds if kind.type))
        if Kind(OUTSIDE, "") not in self._places:
            raise DataError(
                "none of the model's labels is O",
                expected="O, B-type and I-type for each type",
                available=", ".join(labels[:12]),
                action="use a model for token classification, or train a head by finetune",
            )

    def of(self, row: Tagged) -> list[int]:
        """Return the number of each word's label."""
        return [self._number(kind) for kind in spelled(row.entities, row.words, ends=self._ends)]

    def _number(self, kind: Kind) -> int:
        """Return the label's number; a head without B- begins an entity by its I-."""
        if kind in self._places:
            return self._places[kind]
        return self._places.get(Kind("I", kind.type), self._places.get(Kind("B", kind.type), -1))

    def entities(self, numbers: Sequence[int]) -> list[Entity]:
        """Return the entities of a row whose words have these labels."""
        return entities([self.kinds[number] for number in numbers])

"""The entities that the tags of words tell: BIO, BIOES, and plain types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

OUTSIDE = "O"
_TAG = re.compile(r"([BIESLU])-(.+)", re.S)
_BILOU = {"L": "E", "U": "S"}


class Kind(NamedTuple):
    """Hold a tag's position in its entity, one of B, I, E, S and O, and the entity's type."""

    position: str
    type: str


class Entity(NamedTuple):
    """Hold an entity's type, and the numbers of its first and its last word."""

    type: str
    first: int
    last: int


def kind_of(tag: str) -> Kind:
    """Return what a tag says; a plain type, such as "PER", continues an entity as "I-PER" does."""
    if tag == OUTSIDE or not tag:
        return Kind(OUTSIDE, "")
    found = _TAG.fullmatch(tag)
    if found is None:
        return Kind("I", tag)
    return Kind(_BILOU.get(found[1], found[1]), found[2])


def entities(kinds: Iterable[Kind]) -> list[Entity]:
    """Return the entities of a row, given what each word's tag says.

    An entity ends where its type changes, before B and S, and after E and S. One that no B begins
    counts too (seqeval's definition, which is conlleval's).
    """
    found: list[Entity] = []
    before, first, last = Kind(OUTSIDE, ""), -1, -1
    for last, kind in enumerate(kinds):
        begins = kind.position in "BS" or before.position in "ESO" or kind.type != before.type
        if first >= 0 and (begins or kind.position == OUTSIDE):
            found.append(Entity(before.type, first, last - 1))
            first = -1
        if begins and kind.position != OUTSIDE:
            first = last
        before = kind
    if first >= 0:
        found.append(Entity(before.type, first, last))
    return found

"""Encode ASCII texts without `tokenizers`, to the same ids: words are looked up whole.

What is not served here is left to the library: texts with other characters than printable ASCII,
tabs and line breaks, texts in which an added token (such as [SEP]) is written, very long words.
"""

from __future__ import annotations

from itertools import chain

from runtimes import fields
from runtimes.lean_typing import TYPE_CHECKING, NamedTuple
from runtimes.piece_cutting import CUTTINGS, Cutting, UnservedError
from runtimes.token_table import MOST_IDS, Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MOST_WORDS = 8192
_LONGEST_KEPT = 64
_SPACES = str.maketrans("\t\n\r", "   ")


class Encoded(NamedTuple):
    """Hold one text's tokens; without padding, its attention mask is 1 for each."""

    ids: list[int]
    type_ids: list[int]


class Words(dict[str, tuple[int, ...]]):
    """Keep the ids of the words that were seen, in bounded memory; cut others when asked."""

    def __init__(self, cutting: Cutting) -> None:
        super().__init__()
        self._cut = cutting.cut

    def __missing__(self, word: str) -> tuple[int, ...]:
        ids = self._cut(word)
        if len(word) <= _LONGEST_KEPT:
            if len(self) >= _MOST_WORDS:
                self.clear()
            self[word] = ids
        return ids


class FastEncoder:
    """Encode the texts that a table serves, truncated at `max_length` tokens.

    `room` are the tokens left beside the special ones; it must be more than 0.
    """

    def __init__(self, table: Table, max_length: int) -> None:
        """Read a table's header; raise ValueError for a malformed one."""
        header = table.header
        cutting = CUTTINGS[fields.text(header, "kind")](table)
        self._lower = cutting.lower
        self._split = cutting.split
        self._look_up = Words(cutting).__getitem__
        self._before, self._types_before = _specials(header, "before")
        self._after, self._types_after = _specials(header, "after")
        self._type_id = fields.whole(header, "type_id", 0, MOST_IDS)
        self.room = max_length - len(self._before) - len(self._after)
        self._added = fields.texts(header, "added")
        self._normalized = fields.texts(header, "added_normalized")
        tokens = (*self._added, *self._normalized)
        self._marks = tuple({_mark(one.lower() if self._lower else one) for one in tokens})
        self.padding_id = fields.whole(header, "padding_id", 0, MOST_IDS)

    def encode(self, text: str) -> Encoded | None:
        """Return a text's tokens; None for a text that is left to the library."""
        if not text.isascii():
            return None
        if not text.isprintable() and not text.translate(_SPACES).isprintable():
            return None
        normalized = text.lower() if self._lower else text
        for mark in self._marks:
            if mark in normalized and self._holds_added(text, normalized):
                return None
        try:
            words = chain.from_iterable(map(self._look_up, self._split(normalized)))
            ids = [*self._before, *words]
        except UnservedError:
            return None
        count = len(ids) - len(self._before)
        if count > self.room:
            del ids[self.room - count :]
            count = self.room
        ids += self._after
        return Encoded(ids, [*self._types_before, *[self._type_id] * count, *self._types_after])

    def _holds_added(self, text: str, normalized: str) -> bool:
        """Tell whether an added token is written in a text."""
        return any(one in text for one in self._added) or any(
            one in normalized for one in self._normalized
        )


def _mark(token: str) -> str:
    """Return a part of a token that few texts have: a punctuation mark, else all of it."""
    return next((one for one in token if not one.isalnum() and not one.isspace()), token)


def _specials(header: Mapping[str, Any], key: str) -> tuple[list[int], list[int]]:
    """Return the special tokens on one side and their types; raise ValueError for others."""
    given = header.get(key)
    pairs: list[Any] = given if isinstance(given, list) else [None]
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"{key!r} is no list of pairs")
    if not all(type(one) is int and 0 <= one < MOST_IDS for pair in pairs for one in pair):
        raise ValueError(f"{key!r} holds other than ids and types")
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

"""The words of a row, and the windows of tokens in which a model reads them.

A row is a list of words, or a text that is split here. A text longer than the model's limit is read
in windows that overlap, so that no word is lost and each is seen with words on both sides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimes.errors import DataError
from runtimes.tokenizing import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding, Tokenizer

ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Japanese and Chinese characters: no spaces part words there, so each stands alone."""

_LETTERS = rf"[^\W{ALONE}]+"
_WORD = rf"[{ALONE}]|{_LETTERS}(?:(?:['’.@/&:+-]+|(?<=\d),(?=\d)){_LETTERS})*|[^\w\s]"
"""Letters and digits, also with such signs between them; any other sign by itself.

`re` compiles and keeps it when it is first used: that takes 2 ms, which other tasks do not need.
"""

OVERLAP = 4
"""The share of a window that the next one repeats: one part of so many."""

Span = tuple[int, int]
"""Where something begins in a text, and where it has ended."""


class Windows(NamedTuple):
    """Hold a row's tokens, and for each word the window and the position of its first token."""

    encodings: Sequence[Encoding]
    places: Sequence[tuple[int, int]]


def words_of(row: Any) -> tuple[str, list[Span]]:
    """Return a row's text, and the span of each of its words; raise DataError for another row."""
    if isinstance(row, str):
        return row, [found.span() for found in re.finditer(_WORD, row)]
    if not isinstance(row, (list, tuple)) or not all(isinstance(word, str) for word in row):
        raise DataError(
            f"a row that is a {type(row).__name__}",
            expected="a text, or a list of words",
            action='give a text, or ["a", "list", "of", "words"]',
        )
    spans, start = [], 0
    for word in row:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    return " ".join(row), spans


def overlapping(tokenizer: Tokenizer) -> Tokenizer:
    """Let the windows of a tokenizer that truncates overlap; the first one stays what it is."""
    known = tokenizer.truncation
    if known is not None and not known["stride"]:
        tokenizer.enable_truncation(known["max_length"], stride=known["max_length"] // OVERLAP)
    return tokenizer


def windows_of(tokenizer: Tokenizer, row: Any) -> Windows:
    """Return a row's windows, by a tokenizer whose windows are `overlapping`.

    A word is read at its first token, in the window where it is farthest from both ends. A word
    that the tokenizer drops, such as a control character, is read at the first token of all.
    """
    text, words = words_of(row)
    if not words:
        raise DataError(
            "a row without a word", expected="a text, or a list of words", action="leave it out"
        )
    first = encode(tokenizer, text)
    encodings = [first, *first.overflowing]
    return Windows(encodings, _places(encodings, [end for _, end in words]))


def _places(encodings: Sequence[Encoding], ends: Sequence[int]) -> list[tuple[int, int]]:
    places = [(0, 0)] * len(ends)
    begins, rooms = [-1] * len(ends), [-1] * len(ends)
    for window, encoding in enumerate(encodings):
        word, last, tokens = 0, -1, len(encoding.ids)
        for position, (begin, end) in enumerate(encoding.offsets):
            if begin == end:  # a special token
                continue
            while word < len(ends) and ends[word] < end:
                word += 1
            if word == len(ends):
                break
            if word == last:
                continue
            last = word
            if begins[word] < 0:
                begins[word] = begin
            room = min(position, tokens - 1 - position)
            if begin == begins[word] and room > rooms[word]:
                places[word], rooms[word] = (window, position), room
    return places

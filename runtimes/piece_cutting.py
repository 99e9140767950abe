"""Cut one word into a tokenizer's pieces, by the rules of `tokenizers` for ASCII texts.

Each class reads what it needs from a table's header. `lower` says that the normalizer lower-cases,
`split` parts a normalized text into words, `cut` returns the ids of one word. Both raise
UnservedError for what is left to the library.
"""

from __future__ import annotations

from runtimes import fields
from runtimes.lean_typing import TYPE_CHECKING, Protocol
from runtimes.token_table import MOST_IDS, Table, parsed_whole

if TYPE_CHECKING:
    from typing import ClassVar

_LONGEST_WORD = 100
"""Longer words cost time that grows with their square; the library is as fast with them."""


class UnservedError(Exception):
    """Leave a text to the library."""


class Cutting(Protocol):
    """Cut texts as one kind of tokenizer does."""

    kind: ClassVar[str]
    lower: bool

    def __init__(self, table: Table) -> None:
        """Read the settings from a table's header; raise ValueError for malformed ones."""

    def split(self, text: str) -> list[str]:
        """Return the words of a normalized text of printable ASCII, tabs and line breaks."""

    def cut(self, word: str) -> tuple[int, ...]:
        """Return the ids of one word."""


class WordPiece:
    """Cut words greedily into the longest pieces, after BertPreTokenizer.

    That part at white space and then around each punctuation mark; here a word still has its
    punctuation. Source: tokenizers, models/wordpiece/mod.rs and pre_tokenizers/bert.rs.
    """

    kind: ClassVar[str] = "WordPiece"
    _APART: ClassVar[dict[int, str]] = {
        code: f" {chr(code)} " for code in range(128) if not chr(code).isalnum()
    }

    def __init__(self, table: Table) -> None:
        header = table.header
        self.lower = fields.whole(header, "lower", 0, 1) == 1
        self._find = table.whole
        self._unknown = fields.whole(header, "unknown", 0, MOST_IDS)
        self._longest_word = fields.whole(header, "longest_word", 0)
        self._longest = fields.whole(header, "longest", 1)
        prefix = header.get("prefix")
        if not isinstance(prefix, str):
            raise ValueError("'prefix' is no text")
        self._prefix = prefix

    def split(self, text: str) -> list[str]:
        """Part a text at white space."""
        return text.split()

    def cut(self, word: str) -> tuple[int, ...]:
        """Return the ids of a word with its punctuation."""
        if len(word) > _LONGEST_WORD:
            raise UnservedError
        ids: list[int] = []
        for part in word.translate(self._APART).split():
            number = self._find(part) if len(part) <= self._longest_word else None
            if number is None:
                ids += self._pieces(part)
            else:
                ids.append(number)
        return tuple(ids)

    def _pieces(self, part: str) -> list[int]:
        """Return the longest pieces from left to right; one unknown piece where any is missing."""
        if len(part) > self._longest_word:
            return [self._unknown]
        ids: list[int] = []
        start, lead = 0, ""
        while start < len(part):
            for end in range(min(len(part), start + self._longest), start, -1):
                number = self._find(lead + part[start:end])
                if number is not None:
                    break
            else:
                return [self._unknown]
            ids.append(number)
            start, lead = end, self._prefix
        return ids


class ByteLevelBPE:
    """Merge the pair of the lowest rank, the leftmost first, after the split of GPT-2.

    Source: tokenizers, models/bpe/word.rs (`merge_all`) and pre_tokenizers/byte_level.rs.
    """

    kind: ClassVar[str] = "BPE"
    _WORDS = r"'(?:[stmd]|re|ve|ll)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+"
    _BYTES = str.maketrans({" ": "Ġ", "\t": "ĉ", "\n": "Ċ", "\r": "č"})

    def __init__(self, table: Table) -> None:
        import re  # with enum and collections it takes 4 ms, which the other kinds do not need

        header = table.header
        self.lower = fields.whole(header, "lower", 0, 1) == 1
        self._find = table.whole
        self._words = re.compile(self._WORDS).findall
        self._opens = " " if fields.whole(header, "prefix_space", 0, 1) else ""
        self._ignores_merges = fields.whole(header, "ignore_merges", 0, 1) == 1

    def split(self, text: str) -> list[str]:
        """Part a text as GPT-2 does."""
        if text and self._opens and text[0] != " ":
            text = " " + text
        return self._words(text)

    def cut(self, word: str) -> tuple[int, ...]:
        """Return the ids of a word with the space before it."""
        if len(word) > _LONGEST_WORD:
            raise UnservedError
        spelled = word.translate(self._BYTES)
        whole = self._find(spelled) if self._ignores_merges else None
        return tuple(map(self._id, self._merged(spelled))) if whole is None else (whole,)

    def _id(self, piece: str) -> int:
        number = self._find(piece)
        if number is None:
            raise UnservedError
        return number

    def _merged(self, spelled: str) -> list[str]:
        parts = list(spelled)
        ranks = [self._rank(parts, place) for place in range(len(parts) - 1)]
        while ranks and (best := min(ranks)) < MOST_IDS:
            place = ranks.index(best)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
            del ranks[place]
            for beside in (place - 1, place):
                if 0 <= beside < len(ranks):
                    ranks[beside] = self._rank(parts, beside)
        return parts

    def _rank(self, parts: list[str], place: int) -> int:
        rank = self._find(f"{parts[place]} {parts[place + 1]}")
        return MOST_IDS if rank is None else rank


class Unigram:
    """Choose the pieces whose scores have the largest sum, after Metaspace.

    Texts with other than single spaces inside are left to the library, and so are words with a
    character that is no piece: no unknown piece is ever chosen here. Source: tokenizers,
    models/unigram/model.rs (`encode_optimized`): float64 sums in the same order.
    """

    kind: ClassVar[str] = "Unigram"

    def __init__(self, table: Table) -> None:
        header = table.header
        self.lower = fields.whole(header, "lower", 0, 1) == 1
        self._table = table
        self._mark = fields.text(header, "mark")
        self._longest = fields.whole(header, "longest", 1)
        self._unknown = fields.whole(header, "unknown", -1, MOST_IDS)

    def split(self, text: str) -> list[str]:
        """Part a text at its single spaces."""
        words = text.split(" ") if text else []
        if "" in words or not text.isprintable():
            raise UnservedError
        return words

    def cut(self, word: str) -> tuple[int, ...]:
        """Return the ids of a word."""
        if len(word) > _LONGEST_WORD:
            raise UnservedError
        word = self._mark + word
        best = {0: (0.0, (0, 0))}  # by the end of a path: its score, its last piece's start and id
        for start in range(len(word)):
            self._extend(word, start, best)
        ids: list[int] = []
        end = len(word)
        while end > 0:
            end, number = best[end][1]
            ids.append(number)
        if self._unknown in ids:
            raise UnservedError
        return tuple(reversed(ids))

    def _extend(
        self, word: str, start: int, best: dict[int, tuple[float, tuple[int, int]]]
    ) -> None:
        """Lengthen the best path to `start` by every piece that begins there."""
        here = best[start][0]
        for end in range(start + 1, min(len(word), start + self._longest) + 1):
            value = self._table.find(word[start:end])
            if value is None:
                if end == start + 1:
                    raise UnservedError
                continue
            number, _, score = value.partition(b" ")
            candidate = float(score) + here
            if end not in best or candidate > best[end][0]:
                best[end] = (candidate, (start, parsed_whole(number)))


CUTTINGS: dict[str, type[Cutting]] = {one.kind: one for one in (WordPiece, ByteLevelBPE, Unigram)}

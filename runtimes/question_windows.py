"""A question and its context as tokens, and the pieces of the context that may answer.

A piece is a word, or a sign by itself: finer than the words of `runtimes/words.py`, because an
answer may end inside "1990-1995". A model's answer stands at pieces, whatever its tokenizer, so
that models with other vocabularies can be compared and taught. A context longer than the model's
limit is read in windows that overlap; the question stands before each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimes.errors import DataError
from runtimes.tokenizing import encode_all
from runtimes.words import ALONE, OVERLAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokenizers import Encoding, Tokenizer

    from runtimes.words import Span

KEYS = ("question", "context")
"""The keys of a row, in the order in which a tokenizer takes its texts."""

_PIECE = rf"[{ALONE}]|[^\W{ALONE}]+|[^\w\s]"
_FORM = '{"question": "…", "context": "…"}'


class Window(NamedTuple):
    """Hold the token ids and types of one window."""

    ids: Sequence[int]
    types: Sequence[int]


class Windows(NamedTuple):
    """Hold a row's windows, and the window and position at which each piece is read.

    `starts` are those of the pieces' first tokens, `ends` those of their last ones.
    """

    windows: Sequence[Window]
    starts: Sequence[tuple[int, int]]
    ends: Sequence[tuple[int, int]]


def asked_of(row: Any) -> tuple[str, str]:
    """Return a row's question and context; raise DataError for another row, or a blank one."""
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in KEYS):
        keys = f" with {', '.join(map(repr, row)) or 'nothing'}" if isinstance(row, dict) else ""
        raise DataError(
            f"a row that is a {type(row).__name__}{keys}",
            expected=f"a question and its context: {_FORM}",
            action="give both texts of every row",
        )
    question, context = (row[key] for key in KEYS)
    if not re.search(_PIECE, context):
        raise DataError(
            "a context without a word",
            expected=f"a text that answers the question: {_FORM}",
            action="leave it out",
        )
    return question, context


def pieces_of(context: str) -> list[Span]:
    """Return where each piece of a context begins, and where it has ended, in characters."""
    return [found.span() for found in re.finditer(_PIECE, context)]


def encoded_windows(
    tokenizer: Tokenizer, rows: Sequence[Any], max_length: int
) -> Iterator[Windows]:
    """Yield the windows of each row, by a tokenizer that does not truncate.

    Raises DataError for a row that is no question with a context.
    """
    asked = [asked_of(row) for row in rows]
    for (_, context), encoding in zip(asked, encode_all(tokenizer, asked)):
        yield windows_of(encoding, pieces_of(context), max_length)


def windows_of(encoding: Encoding, pieces: Sequence[Span], max_length: int) -> Windows:
    """Cut the whole encoding of a question and its context into windows of at most `max_length`.

    Only the context is parted. A question is cut where it leaves no half of a window to the
    context. Each piece is read in the window where it is farthest from both ends of the context's
    part; one that the tokenizer drops, at the first token of all.
    """
    sides = encoding.sequence_ids
    context = [place for place, side in enumerate(sides) if side == 1]
    if not context:
        return Windows(
            [Window(encoding.ids[:max_length], encoding.type_ids[:max_length])],
            *[[(0, 0)] * len(pieces)] * 2,
        )
    before, after = range(context[0]), range(context[-1] + 1, len(sides))
    head = _cut(before, sides, max_length, len(after))
    room = max(max_length - len(head) - len(after), 1)
    step = max(room - room // OVERLAP, 1)
    windows, parts = [], []
    for begin in range(0, max(len(context) - (room - step), 1), step):
        part = context[begin : begin + room]
        places = [*head, *part, *after]
        ids, types = encoding.ids, encoding.type_ids
        windows.append(Window([ids[one] for one in places], [types[one] for one in places]))
        parts.append(part)
    starts, ends = _places(encoding.offsets, parts, pieces, len(head))
    return Windows(windows, starts, ends)


def _cut(before: range, sides: Sequence[int | None], max_length: int, after: int) -> list[int]:
    """Return the tokens before the context, the end of a long question left out."""
    question = [place for place in before if sides[place] == 0]
    special = len(before) - len(question)
    limit = max((max_length - special - after) // 2, 0)
    kept = set(question[:limit])
    return [place for place in before if sides[place] != 0 or place in kept]


def _places(
    offsets: Sequence[Span], parts: Sequence[Sequence[int]], pieces: Sequence[Span], head: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return where each piece's first and last token are read."""
    starts, ends = [(0, 0)] * len(pieces), [(0, 0)] * len(pieces)
    rooms = [[-1] * len(pieces), [-1] * len(pieces)]
    for window, part in enumerate(parts):
        firsts, lasts = _covered([offsets[place] for place in part], pieces)
        for found, known, room in ((firsts, starts, rooms[0]), (lasts, ends, rooms[1])):
            for piece, place in found.items():
                free = min(place, len(part) - 1 - place)
                if free > room[piece]:
                    known[piece], room[piece] = (window, head + place), free
    return starts, ends


def _covered(
    offsets: Sequence[Span], pieces: Sequence[Span]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return the token at which each piece begins, and the one at which it ends, by piece."""
    firsts, lasts = dict[int, int](), dict[int, int]()
    piece = 0
    for place, (begin, end) in enumerate(offsets):
        if begin == end:
            continue
        while piece < len(pieces) and pieces[piece][1] <= begin:
            piece += 1
        one = piece
        while one < len(pieces) and pieces[one][0] < end:
            if begin <= pieces[one][0]:
                firsts.setdefault(one, place)
            if end >= pieces[one][1]:
                lasts[one] = place
            one += 1
    return firsts, lasts

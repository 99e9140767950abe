"""Right answers as files hold them, and where they stand in their context."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from compress.data.reading import text_of
from runtimes.errors import DataError
from runtimes.parsing import parse_json
from runtimes.words import Span

_FORM = '{"text": ["…"], "answer_start": [0]}, a list of such objects or of texts, or one text'
_KINDS = (
    *(("how many", r"how\s+(?:many|much)"), ("who", "who|whom|whose"), ("what", "what")),
    *((name, name) for name in ("which", "when", "where", "why", "how")),
)


class Gold(NamedTuple):
    """Hold a right answer, and where in its context it begins; None where the file says nothing."""

    text: str
    start: int | None


def golds_of(value: Any, place: str) -> list[list[Any]]:
    """Return the right answers of a cell as [text, start], each once; [] for a question without.

    A cell is {"text": […], "answer_start": […]}, a list of {"text": …, "answer_start": …}, of texts
    or of [text, start], or one text. Raises DataError for anything else.
    """
    if isinstance(value, Mapping):
        value = _listed(value, place)
    if not isinstance(value, list | tuple):
        value = [text_of(value, place)]
    found = dict.fromkeys(_gold(one, place) for one in value)
    return [list(gold) for gold in found if gold.text.strip()]


def cell_of(value: Any, place: str) -> Any:
    """Return a cell's text, or its right answers, also where a text is their JSON, as in csv."""
    if isinstance(value, str) and re.match(r'\s*\{\s*"(text|answer_start)"', value):
        value = parse_json(value)
    return golds_of(value, place) if isinstance(value, Mapping | list) else text_of(value, place)


def _listed(value: Mapping[str, Any], place: str) -> list[Mapping[str, Any]]:
    texts, starts = value.get("text"), value.get("answer_start")
    if not isinstance(texts, list):
        texts, starts = [texts], [starts]
    starts = [None] * len(texts) if starts is None else starts
    if not isinstance(starts, list) or len(starts) != len(texts):
        raise _no_answers(value, place)
    pairs = zip(texts, starts, strict=True)
    return [{"text": text, "answer_start": start} for text, start in pairs]


def _gold(value: Any, place: str) -> Gold:
    if isinstance(value, str):
        return Gold(text_of(value, place), None)
    if isinstance(value, Mapping):
        value = [value.get("text"), value.get("answer_start")]
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and isinstance(value[0], str)
        and (value[1] is None or type(value[1]) is int)
    ):
        return Gold(text_of(value[0], place), value[1])
    raise _no_answers(value, place)


def _no_answers(value: Any, place: str) -> DataError:
    return DataError(
        f"{place}: {str(value)[:80]} is no answer", expected=_FORM, action="correct the row"
    )


class Found(NamedTuple):
    """Say at which character an answer begins and has ended; `sure` if at no other place too."""

    start: int
    end: int
    sure: bool


def found_in(context: str, gold: Gold) -> Found | None:
    """Return where an answer stands in its context; None if nowhere.

    A stated place where the context has another text is not believed. An answer that stands at
    several places, without a stated one, is taken at the first, and is not sure. Where the context
    has it in other letters' case alone, it is taken there.
    """
    text = gold.text.strip()
    shift = len(gold.text) - len(gold.text.lstrip())
    if gold.start is not None and gold.start >= 0 and context.startswith(gold.text, gold.start):
        start = gold.start + shift
        return Found(start, start + len(text), sure=True)
    for pattern in (re.escape(text), rf"(?i:{re.escape(text)})"):
        places = [found.span() for found in re.finditer(pattern, context)]
        if places:
            return Found(*places[0], sure=len(places) == 1)
    return None


def pieces_in(found: Found, pieces: Sequence[Span]) -> tuple[int, int] | None:
    """Return the first and the last piece that an answer shares a character with, None if none."""
    inside = [
        place
        for place, (start, end) in enumerate(pieces)
        if start < found.end and end > found.start
    ]
    return (inside[0], inside[-1]) if inside else None


def kind_of(question: str) -> str:
    """Return what a question asks for by its first question word, such as "who"; else "other"."""
    found = [
        (match.start(), name)
        for name, pattern in _KINDS
        if (match := re.search(rf"\b(?:{pattern})\b", question, re.IGNORECASE))
    ]
    return min(found, key=lambda one: one[0])[1] if found else "other"

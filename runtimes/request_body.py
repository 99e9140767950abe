"""Check what a request asks: a JSON body of texts, as functions and servers are sent it.

Bundles carry this module for the code of their packages; the checks stand here alone. What is
refused is told without a word of the texts.
"""

from __future__ import annotations

from runtimes.lean_json import loads
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MOST_BYTES = 1_000_000
MOST_TEXTS = 100
MOST_CHARACTERS = 50_000
MOST_TOP = 1_000

_REFUSED = frozenset(map(chr, (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F)))
"""Control characters but tab, line feed and carriage return: a text has none."""


_BESIDE = frozenset({"text_pair", "question", "context"})
_KEYS = frozenset({"text", *_BESIDE})
"""The keys that a row may have; one with a key of _BESIDE is an object, not a text alone."""


class RefusedError(Exception):
    """Say why a request is not answered, without a word of its texts; `status` is HTTP's."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def parsed(body: bytes) -> Any:
    """Return a body's JSON; raise RefusedError for what is too large, no UTF-8 or no JSON."""
    check_size(len(body))
    try:
        return loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise RefusedError(400, "the body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not JSON, or lies too deep") from None


def check_size(count: float) -> None:
    """Raise RefusedError for more bytes than a request may have."""
    if count > MOST_BYTES:
        raise RefusedError(413, f"the texts are larger than {MOST_BYTES:,} bytes")


def asked(content: Any) -> tuple[list[Any], int]:
    """Return the rows that a JSON value asks, and how many labels each answer names ("top").

    A row is a text, or an object of the texts that a model reads together. Types and sizes are
    checked; raise RefusedError. It is part of every event, so it must be fast.
    """
    if not isinstance(content, dict):
        raise RefusedError(400, 'expected an object: {"texts": ["..."]} or {"text": "..."}')
    listed = "texts" in content
    if listed != _KEYS.isdisjoint(content):
        raise RefusedError(400, 'expected either "texts" or "text"')
    texts = content["texts"] if listed else [_alone(content)]
    if not isinstance(texts, list) or not texts:
        raise RefusedError(400, '"texts" is not a list of texts')
    if len(texts) > MOST_TEXTS:
        raise RefusedError(413, f"{len(texts):,} texts; at most {MOST_TEXTS} at once")
    top = content.get("top", 0)
    if type(top) is not int or not 0 <= top <= MOST_TOP:
        raise RefusedError(400, f'"top" is not a whole number from 0 to {MOST_TOP:,}')
    size = 0
    for number, row in enumerate(texts, 1):
        size += _sizes(number, row) if isinstance(row, dict) else _size(number, row)
    check_size(size)
    return texts, top


def require_keys(task: Any, rows: Sequence[Any]) -> None:
    """Raise RefusedError for rows that are not of the keys that a device task reads."""
    keys: tuple[str, ...] = getattr(task, "keys", ("text",))
    for number, row in enumerate(rows, 1):
        given = tuple(row) if isinstance(row, dict) else ("text",)
        if given != keys and sorted(given) != sorted(keys):
            raise RefusedError(400, f"text {number}: this model reads {' and '.join(keys)}")


def row_like(task: Any, text: str) -> Any:
    """Return a row of a device task that holds this text, under each of its keys."""
    keys: tuple[str, ...] = getattr(task, "keys", ("text",))
    return text if len(keys) == 1 else dict.fromkeys(keys, text)


def shown(predictor: Any, row: Any, top: int) -> dict[str, Any]:
    """Return a predictor's answer to a row as a response has it."""
    answer: dict[str, Any] = predictor.task.shown(predictor.answer(row), row, top)
    for key in row if isinstance(row, dict) else ("text",):
        answer.pop(key, None)  # the caller has it
    return answer


def _alone(content: dict[str, Any]) -> Any:
    """Return the row of a request without a list: a text alone, or an object."""
    if _BESIDE.isdisjoint(content):
        return content["text"]
    return {key: text for key, text in content.items() if key in _KEYS}


def _sizes(number: int, row: dict[str, Any]) -> int:
    """Return the bytes of an object's texts; refuse an empty one as what is not a text."""
    return sum(_size(number, text) for text in row.values()) if row else _size(number, row)


def _size(number: int, text: Any) -> int:
    if not isinstance(text, str):
        raise RefusedError(400, f"text {number} is not a text")
    if len(text) > MOST_CHARACTERS:
        raise RefusedError(413, f"text {number} has more than {MOST_CHARACTERS:,} characters")
    if not text or text.isspace():
        raise RefusedError(400, f"text {number} is empty")
    if text.isprintable():  # no control character, no surrogate: the common case, in one pass
        return len(text) if text.isascii() else len(text.encode("utf-8"))
    if not _REFUSED.isdisjoint(text):
        raise RefusedError(400, f"text {number} has a control character")
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise RefusedError(422, f"text {number} has half a surrogate pair") from None

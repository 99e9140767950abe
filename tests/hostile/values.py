"""Values that a field does not expect, and documents in which each field in turn has one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

STRANGE: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "minus one": -1,
    "zero": 0,
    "a half": 0.5,
    "thirty digits": 10**30,
    "infinity": float("inf"),
    "not a number": float("nan"),
    "no text": "",
    "a superscript": "²",
    "a lone surrogate": "\ud800",
    "a runner's command": "a\n::error file=x::y",
    "a terminal's command": "\x1b[2J\x1b]0;t\x07",
    "a path upwards": "../../../../etc/passwd",
    "an empty list": [],
    "a list of lists": [[[1]]],
    "an empty object": {},
}


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a document of mappings and lists; of a list, the first."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield (*path, key)
            yield from places(value, (*path, key))
    elif isinstance(document, list) and document:
        yield (*path, 0)
        yield from places(document[0], (*path, 0))


def changed(document: Any, path: Sequence[Any], value: Any) -> Any:
    """Return a copy of a document with another value at a path."""
    result = copy.deepcopy(document)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return result


def without(document: Any, path: Sequence[Any]) -> Any:
    """Return a copy of a document without the value at a path."""
    result = copy.deepcopy(document)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return result


def changes(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield a document with each of its values replaced by each of STRANGE, and left out."""
    for path in places(document):
        name = ".".join(map(str, path))
        yield f"no {name}", without(document, path)
        for said, value in STRANGE.items():
            yield f"{name} is {said}", changed(document, path, value)


def json_text(document: Any) -> str:
    """Return a document as JSON, in which NaN and lone surrogates stand as Python writes them."""
    return json.dumps(document)


def deep(levels: int, opening: str = "[", closing: str = "]") -> str:
    """Return JSON that is nested so deeply."""
    return opening * levels + closing * levels

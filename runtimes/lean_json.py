"""Read and write JSON as the json module does, without its import.

The module imports re, enum, functools and collections, 4 to 6 ms of a process's start, and then has
all the work done by `_json`, its part in C. That is called here. Where a text is no JSON, or a
Python has no `_json`, the module itself is imported, and raises what it raises.
"""

from __future__ import annotations

from runtimes.lean_typing import TYPE_CHECKING

try:
    import _json
except ImportError:  # another Python than CPython
    _json = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from typing import Any

_SPACE = " \t\n\r"


class _Reading:
    """Hold the settings of json.loads, where the scanner looks for them."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = {
        "NaN": float("nan"),
        "Infinity": float("inf"),
        "-Infinity": float("-inf"),
    }.__getitem__


def loads(text: str) -> Any:
    """Return a text's value; raise ValueError where it is no JSON, RecursionError too deep."""
    if _json is not None:
        try:
            begin = len(text) - len(text.lstrip(_SPACE))
            value, end = _json.make_scanner(_Reading)(text, begin)  # type: ignore[arg-type]
            if not text[end:].strip(_SPACE):
                return value
        except (StopIteration, ValueError):
            pass
    import json

    return json.loads(text)


def dumps(value: Any, *, ascii_only: bool = True, canonical: bool = False) -> str:
    """Return a value as JSON on one line.

    `canonical` sorts the keys and leaves spaces out. Raises TypeError or ValueError for a value
    that JSON has not.
    """
    item, key = (",", ":") if canonical else (", ", ": ")
    if _json is None:
        import json

        options: Any = {"sort_keys": canonical, "separators": (item, key)}
        return json.dumps(value, ensure_ascii=ascii_only, **options)
    quoted = _json.encode_basestring_ascii if ascii_only else _json.encode_basestring
    encoder = _json.make_encoder({}, _refused, quoted, None, key, item, canonical, False, True)
    return "".join(encoder(value, 0))


def _refused(value: Any) -> Any:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")

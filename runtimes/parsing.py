"""Parse JSON and TOML that somebody else wrote: all that is none is a ValueError.

Python's own parsers raise RecursionError where values lie too deep in one another.
"""

from __future__ import annotations

import json
from typing import Any

_DEEP = "values lie too deep in one another"


def parse_json(text: str | bytes, **options: Any) -> Any:
    """Parse JSON; raise ValueError for a text that is none, lies too deep or has a huge number."""
    try:
        return json.loads(text, **options)
    except RecursionError:
        raise ValueError(_DEEP) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML; raise ValueError for a text that is none, lies too deep or has a huge number."""
    import tomllib  # imported here: a bundle has no TOML

    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(_DEEP) from None


def as_json(content: Any) -> str:
    """Return settings as JSON, for a parser that takes no text for a number; dates become text."""
    return json.dumps(content, default=str)

"""A device profile as the text of a TOML file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from profiles.device import DeviceProfile


def profile_text(profile: DeviceProfile, *, comment: str = "") -> str:
    """Return a profile as TOML, with only what differs from the defaults; `load_profile` reads it.

    Each line of `comment` stands at the top.
    """
    content = profile.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for budget in content["budgets"].values():
        budget.pop("metric", None)  # its key names it
    head = [f"# {line}" for line in comment.splitlines()]
    return "\n".join([*head, f"schema = {profile.schema_version}", *_lines(content)]) + "\n"


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    for key, value in content.items():
        if not isinstance(value, dict) and key != "schema":
            yield f"{_key(key)} = {_value(value)}"
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield f"\n[{_key(key)}]"
            yield from (f"{_key(name)} = {_value(inner)}" for name, inner in value.items())


def _key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key) else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {_value(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # text, numbers and booleans are written alike

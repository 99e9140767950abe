"""What is written reads back as it was, whatever is in it."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from compress.setup.toml import Key, Table, to_toml

TEXT = st.text(st.characters(codec="utf-8"))


@given(TEXT, st.lists(TEXT), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_values_read_back(text: str, texts: list[str], number: float, truth: bool) -> None:
    keys = [Key("a", text, "why"), Key("b", texts), Key("c", number), Key("d", truth, "so")]
    read = tomllib.loads(to_toml([Table("", keys[:1], ("One.", "")), Table("[t]", keys[1:])]))
    assert read == {"a": text, "t": {"b": texts, "c": number, "d": truth}}

"""What stands in for json and typing on a package's start does what they do."""

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runtimes
from runtimes import lean_json
from runtimes.lean_json import dumps, loads
from runtimes.lean_typing import TYPE_CHECKING, NamedTuple

_FEWER = settings(max_examples=50, deadline=None)
_KEYS = st.text() | st.integers() | st.booleans() | st.none()
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda one: st.lists(one) | st.dictionaries(_KEYS, one),
    max_leaves=10,
)
_NO_JSON = [
    *("", " ", "{", "[1,]", "{'a': 1}", "nul", "1 2", "[1] x", '"\n"', "\ufeff1", "\xa01", "01"),
    *("-", "1.", "1e", '{"a":}', '{"a" 1}', '"\\x"', '"\\ud8"', "9" * 5000),
]


def _outcome(read: Callable[[str], Any], text: str) -> tuple[str, str]:
    """Return the kind of a text's value and its form, or of what is raised, and its message."""
    try:
        value = read(text)
    except ValueError as error:
        return type(error).__name__, str(error)
    return type(value).__name__, repr(value)


@_FEWER
@given(_VALUES)
def test_values_are_written_and_read_as_by_the_json_module(value: Any) -> None:
    assert dumps(value) == json.dumps(value)
    assert dumps(value, ascii_only=False) == json.dumps(value, ensure_ascii=False)
    text = json.dumps(value, indent=1)
    assert loads(f" \t\r\n{text}\n") == json.loads(text)


@_FEWER
@given(st.recursive(st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_canonical_texts_are_sorted_and_have_no_spaces(value: Any) -> None:
    wanted = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert dumps(value, ascii_only=False, canonical=True) == wanted


@_FEWER
@given(st.text(st.sampled_from('[]{},:"\\ nulltruefalseNaNInfinity-0123456789.eE\n\té')))
def test_texts_are_read_or_refused_as_by_the_json_module(text: str) -> None:
    assert _outcome(loads, text) == _outcome(json.loads, text)


@pytest.mark.parametrize("text", _NO_JSON)
def test_what_is_no_json_is_refused_with_the_modules_error(text: str) -> None:
    assert _outcome(loads, text) == _outcome(json.loads, text)
    assert _outcome(loads, text)[0].endswith("Error")


def test_what_lies_too_deep_or_is_no_value_of_json_is_refused() -> None:
    with pytest.raises(RecursionError):
        loads("[" * 10**6)
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        dumps({"a": {1}})
    own: list[Any] = []
    own.append(own)
    with pytest.raises(ValueError, match="Circular"):
        dumps(own)


def test_a_python_without_the_part_in_c_uses_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"b": ["é", 1.5, None], "a": "x"}
    texts = dumps(value), dumps(value, ascii_only=False, canonical=True)
    monkeypatch.setattr(lean_json, "_json", None)
    assert (dumps(value), dumps(value, ascii_only=False, canonical=True)) == texts
    assert loads(texts[0]) == value


class Point(NamedTuple):
    """Hold a point."""

    x: int
    y: int = 2
    name: str = ""

    @property
    def sum(self) -> int:
        """Return the sum."""
        return self.x + self.y


def test_a_tuple_has_named_fields() -> None:
    point = Point(1, name="p")
    x, y, name = point
    assert (x, y, name) == (point.x, point.y, point.name) == point == Point(1, 2, "p")
    assert point.sum == 3
    assert point._replace(y=5) == Point(1, 5, "p")
    assert point._asdict() == {"x": 1, "y": 2, "name": "p"}
    assert repr(point) == "Point(x=1, y=2, name='p')"
    assert hash(point) == hash((1, 2, "p"))
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
    assert type(copy.deepcopy(point)) is Point
    with pytest.raises(AttributeError):
        point.x = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, 2, "", 4), {}), ((1,), {"x": 2}), ((1,), {"z": 2})]
)
def test_fields_that_are_missing_or_unknown_are_refused(values: Any, named: Any) -> None:
    with pytest.raises(TypeError, match="Point: expected x, y, name"):
        Point(*values, **named)


def test_neither_module_is_imported() -> None:
    code = (
        "import sys, runtimes.lean_json, runtimes.digest\n"
        "runtimes.digest.stable_hash(runtimes.lean_json.loads('[1]'))\n"
        "print({'json', 're', 'typing', 'collections', 'functools'} & set(sys.modules))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(runtimes.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.strip() == "set()"
    assert TYPE_CHECKING is False

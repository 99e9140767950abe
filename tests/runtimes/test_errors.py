"""Every error says what to do next, and says it once."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import runtimes.errors
from runtimes.errors import BackendError, EdgepressError, InputError, UnknownNameError

ROOT = Path(runtimes.errors.__file__).parents[1]
"""Where the packages are installed, which need not be a checkout."""
SOURCES = ["edgepress.py", *(f"{room}/**/*.py" for room in ("compress", "profiles", "runtimes"))]
NAMES = {
    name
    for name, kind in vars(runtimes.errors).items()
    if isinstance(kind, type)
    and issubclass(kind, EdgepressError)
    and "action" in inspect.signature(kind).parameters
}


def _made() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call that makes an error, with its place."""
    for file in (file for pattern in SOURCES for file in sorted(ROOT.glob(pattern))):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if name in NAMES:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def _branches(value: ast.expr) -> Iterator[ast.expr]:
    if isinstance(value, ast.IfExp):
        yield from _branches(value.body)
        yield from _branches(value.orelse)
    else:
        yield value


def test_every_place_that_makes_an_error_gives_the_next_step() -> None:
    found = list(_made())
    assert len(found) > 250
    for place, call in found:
        given = {one.arg: one.value for one in call.keywords}
        assert "action" in given, place
        for said in _branches(given["action"]):
            assert not (isinstance(said, ast.Constant) and said.value in (None, "")), place


def test_an_error_without_a_next_step_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="action"):
        InputError("no file")  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["nearli", "quite another"])
def test_an_unknown_name_gives_one_too(name: str) -> None:
    assert "\n  next:      " in str(UnknownNameError("thing", name, ["nearly"]))
    assert "\n  next:      " in str(UnknownNameError("thing", name, []))


def test_a_relayed_error_prints_the_same_lines() -> None:
    error = InputError("a\nb", expected="c", available="d", action="e")
    assert str(BackendError.relayed(str(error))) == str(error)
    assert BackendError.relayed(str(error)).action == "e"
    assert "\n  next:      " in str(BackendError.relayed("the process ended"))

"""The house: no circle among files or rooms, few loose modules, a picture that is the code's."""

from __future__ import annotations

import ast
import importlib.util
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
MOST_LOOSE = 8


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rooms", ROOT / "docs" / "rooms.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["rooms"] = module
    spec.loader.exec_module(module)
    return module


def test_no_file_imports_itself_by_any_way(drawing: ModuleType) -> None:
    TopologicalSorter(drawing.modules()).prepare()  # raises CycleError, with the circle


def test_no_room_imports_itself_by_any_way(drawing: ModuleType) -> None:
    TopologicalSorter(drawing.rooms(drawing.modules())).prepare()


def test_the_picture_is_that_of_the_code(drawing: ModuleType) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert text == drawing.document(text, drawing.picture()), "run `make rooms`"


def test_few_modules_lie_beside_the_rooms() -> None:
    loose = [path.name for path in (ROOT / "compress").glob("*.py") if path.name != "__init__.py"]
    assert len(loose) <= MOST_LOOSE, loose


def test_every_room_says_in_one_line_what_belongs_in_it() -> None:
    for folder in {path.parent for path in (ROOT / "compress").rglob("*.py")}:
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert text, folder
        assert len(text.splitlines()) == 1, folder


def test_tests_mirror_the_rooms() -> None:
    here = {path.parent.name for path in (ROOT / "tests" / "compress").glob("*/test_*.py")}
    rooms = {path.parent.name for path in (ROOT / "compress").glob("*/__init__.py")}
    assert here <= rooms, sorted(here - rooms)

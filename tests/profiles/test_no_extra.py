"""Profiles need nothing of an extra: .ci/wheel.sh does not run their tests a second time."""

from __future__ import annotations

import ast
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import profiles

FOLDER = Path(profiles.__file__).parent
LIGHT = {
    requirement.name.replace("-", "_")
    for requirement in map(Requirement, requires("edgepress") or ())
    if "extra" not in str(requirement.marker)
}
"""The packages that `pip install edgepress` brings; their modules have the same names."""


@pytest.mark.parametrize("name", sorted(str(f.relative_to(FOLDER)) for f in FOLDER.rglob("*.py")))
def test_it_imports_what_the_light_install_has(name: str) -> None:
    found = imported((FOLDER / name).read_text(encoding="utf-8"))
    assert found - {"profiles", "runtimes"} - LIGHT - sys.stdlib_module_names == set()


def test_an_import_within_a_function_is_seen() -> None:
    code = "def f():\n    import torch.nn\n    from transformers.utils import logging"
    assert imported(code) == {"torch", "transformers"}


def imported(code: str) -> set[str]:
    """Return the packages that some code imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(code)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    plain += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module.partition(".")[0] for module in plain}

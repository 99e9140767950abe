"""The digest of the code that a stage is made of: a change elsewhere keeps its cache."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

from runtimes.files import file_sha256, stable_hash

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("compress", "profiles", "runtimes")


@functools.cache
def code_digest(module: str) -> str:
    """Return the SHA-256 over a module's source and that of all it imports of this project.

    Imports inside functions count; imports for type checkers alone do not.
    """
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in found or path is None:
            continue
        found[name] = file_sha256(path)
        waiting += _imports(path)
    return stable_hash(sorted(found.items()))


def _source(module: str) -> Path | None:
    """Return a module's file; one of another distribution is found when it is imported."""
    if module.partition(".")[0] not in _PACKAGES:
        loaded = sys.modules.get(module)
        return Path(loaded.__file__) if loaded is not None and loaded.__file__ else None
    place = _ROOT.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file
    return None


def _imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for check in ast.walk(tree)
        if isinstance(check, ast.If) and ast.unparse(check.test) == "TYPE_CHECKING"
        for node in ast.walk(check)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in _PACKAGES)

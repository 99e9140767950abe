"""The digest of code: what a change of other code cannot affect stays in the cache."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Sequence
from importlib.util import find_spec, resolve_name
from pathlib import Path

from runtimes.digest import stable_hash
from runtimes.files import file_sha256

_ROOT = Path(__file__).parents[2]
_PACKAGES = ("compress", "profiles", "runtimes")


@functools.cache
def code_digest(module: str) -> str:
    """Return the SHA-256 over the source of a module and of all project modules that it imports.

    Imports inside functions count; imports for type checkers alone do not.
    """
    files = sources(module, _PACKAGES)
    return stable_hash(sorted((name, file_sha256(path)) for name, path in files.items()))


def sources(module: str, packages: Sequence[str]) -> dict[str, Path]:
    """Return the files of a module and of all that it imports from some top-level packages."""
    files: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in files or path is None:
            continue
        files[name] = path
        imports = _imports(path, name if path.name == "__init__.py" else name.rpartition(".")[0])
        waiting += (other for other in imports if other.partition(".")[0] in packages)
    return files


def _source(module: str) -> Path | None:
    """Return a module's file, None for a name that is not a module."""
    if module.partition(".")[0] not in _PACKAGES:
        return _installed(module)
    place = _ROOT.joinpath(*module.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file
    return None


def _installed(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except (ImportError, AttributeError, ValueError):  # its parent is a module, not a package
        return None
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def _imports(path: Path, package: str) -> Iterator[str]:
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
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)

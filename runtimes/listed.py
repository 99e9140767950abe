"""The list of files in a manifest: what it may name, and what it says of each."""

from __future__ import annotations

from runtimes import fields
from runtimes.lean_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MANIFEST = "artifact.json"
LITTER = ("__pycache__", ".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that Python and desktops add to folders."""

_SHA256 = frozenset("0123456789abcdef")


class ListedFile(NamedTuple):
    """Hold what a manifest says of one file: its length, and the SHA-256 of its bytes."""

    size_bytes: int
    sha256: str


def files_to_json(files: Mapping[str, ListedFile]) -> dict[str, dict[str, Any]]:
    """Return the list in the manifest's form, sorted by name."""
    return {name: files[name]._asdict() for name in sorted(files)}


def files_from_json(content: Mapping[str, Any]) -> dict[str, ListedFile]:
    """Return the list of the manifest's form.

    Raises ValueError for no file at all, a name that may lead out of the folder, a size that is no
    number and a digest that is none.
    """
    if not content:
        raise ValueError("it lists no file")
    for name in content:
        if not _stays_inside(name):
            raise ValueError(f"it lists {name!r}, which is no path of a file in the folder")
    return {name: _listed(fields.mapping(content, name)) for name in content}


def belongs(name: str) -> bool:
    """Tell whether a file of this path below a folder can belong to an artifact."""
    return not any(part.startswith(".") or part in LITTER for part in name.split("/"))


def _listed(row: Mapping[str, Any]) -> ListedFile:
    digest = fields.text(row, "sha256")
    if len(digest) != 64 or not _SHA256.issuperset(digest):
        raise ValueError(f"'sha256' is {digest[:70]!r}; expected 64 hexadecimal digits")
    return ListedFile(fields.whole(row, "size_bytes", 0), digest)


def _stays_inside(name: str) -> bool:
    """Tell whether a name is a plain relative path with `/`, on every system."""
    parts = name.split("/")  # an absolute one has an empty part, a drive of Windows a colon
    plain = not any(mark in name for mark in "\\\0") and name[1:2] != ":"
    return plain and not {"", ".", ".."} & set(parts) and name != MANIFEST and belongs(name)

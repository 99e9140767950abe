"""Whose a cache folder is: edgepress marks its own, and touches no other."""

from __future__ import annotations

import re
from pathlib import Path

from runtimes.errors import InputError
from runtimes.files import write_text

TAG = "CACHEDIR.TAG"
"""Backup programs leave out a folder with this file (https://bford.info/cachedir)."""

_CONTENT = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This file says that the folder is a cache, created by edgepress.\n"
)
_KEY = r"\.?[0-9a-f]{32,64}(\..+)?"
_OURS = {
    "stages": _KEY,
    "scratch": _KEY,
    "locks": _KEY,
    "merged": _KEY,
    "packs": _KEY,
    "debs": _KEY,
    "wheels": _KEY,
    "shared": r"\.?(answers|logits|validation)-[0-9a-f]{32}\..+",
}
"""The folders of a cache, and the names in each."""


def claim(root: Path) -> None:
    """Mark a new cache folder; raise InputError for one that holds files of others."""
    check_ours(root)
    if not (root / TAG).exists():
        write_text(root / TAG, _CONTENT)


def check_ours(root: Path) -> None:
    """Raise InputError for a folder that edgepress neither marked nor alone has written to."""
    if _is_marked(root) or not root.exists() or all(map(_is_ours, root.iterdir())):
        return
    if _is_marked(root):  # another process did so meanwhile
        return
    raise InputError(
        f"{root}: holds files that are not a cache of edgepress",
        expected="a new or empty folder, or one that edgepress made",
        action="set EDGEPRESS_CACHE to a folder of its own",
    )


def _is_marked(root: Path) -> bool:
    try:
        return (root / TAG).read_text(encoding="utf-8", errors="replace") == _CONTENT
    except FileNotFoundError:
        return False


def _is_ours(part: Path) -> bool:
    if part.name.startswith(f".{TAG}."):  # another process is marking the folder
        return True
    names = _OURS.get(part.name)
    if names is None or part.is_symlink() or not part.is_dir():
        return False
    return all(re.fullmatch(names, path.name) for path in part.iterdir())

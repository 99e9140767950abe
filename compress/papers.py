"""The papers of a teacher: its model card and its licence go with all that is made of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtimes.artifact import Artifact

PREFIX = "teacher-"
PAPERS = ("README.md", "LICENSE*", "LICENCE*", "NOTICE*")
"""The names under which a model's folder holds its papers."""

_HEAD = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*$", re.S | re.M)
_LICENSE = re.compile(r"^license:[ \t]*['\"]?([A-Za-z0-9._+-]{1,64})['\"]?[ \t]*$", re.M)
_MOST_BYTES = 2**20


def take_papers(source: Path, folder: Path) -> None:
    """Copy the papers of a teacher's folder into `folder`, as `teacher-README.md` and so on."""
    for file in _papers(source):
        shutil.copyfile(file, folder / f"{PREFIX}{file.name}")


def carry_papers(source: Artifact, folder: Path) -> None:
    """Copy the papers that an artifact carries into the folder of what is made of it."""
    for name in source.files:
        if name.startswith(PREFIX):
            shutil.copyfile(source.path / name, folder / name)


def described(source: Artifact) -> dict[str, Any]:
    """Return what is known of a teacher: its folder's name, its digest and its licence."""
    said = license_of(source.path)
    known = {"name": source.path.name, "digest": source.digest}
    return {**known, "license": said} if said else known


def license_of(folder: Path) -> str | None:
    """Return the licence in the head of a folder's model card, None where it names none."""
    card = folder / PAPERS[0]
    if not card.is_file() or card.stat().st_size > _MOST_BYTES:
        return None
    head = _HEAD.search(card.read_text(encoding="utf-8", errors="replace"))
    found = _LICENSE.search(head[1]) if head else None
    return found[1] if found else None


def _papers(folder: Path) -> Iterator[Path]:
    for pattern in PAPERS:
        for file in sorted(folder.glob(pattern)):
            if file.is_file() and file.stat().st_size <= _MOST_BYTES:
                yield file

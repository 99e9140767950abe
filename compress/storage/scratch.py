"""Temporary folders: those of killed processes are removed when the next one is made."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "edgepress-"
LOCK = ".edgepress-scratch"
"""The file that marks a temporary folder as edgepress's, and that its process holds locked."""

_YOUNG_S = 60.0
"""A folder this young may belong to a process that has not locked it yet."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder inside a temporary one, which is removed when the block ends.

    A process that is killed leaves it. Its lock ends with the process, so a later command finds
    and removes it.
    """
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as made, FileLock(Path(made) / LOCK):
        folder = Path(made) / "work"
        folder.mkdir()
        yield folder


def _sweep(place: Path) -> None:
    """Remove the user's folders that no process holds."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):
            if not _left(folder):
                continue
            with FileLock(folder / LOCK, timeout=0):
                shutil.rmtree(folder / "work", ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


def _left(folder: Path) -> bool:
    """Tell whether a folder is an old one of this user's edgepress."""
    found = folder.lstat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    old = time.time() - found.st_mtime > _YOUNG_S
    return mine and old and not folder.is_symlink() and (folder / LOCK).is_file()

"""Where results are written; the place is checked before any work."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from platformdirs import user_cache_path

from runtimes.errors import InputError


def cache_root() -> Path:
    """Return the cache folder: $EDGEPRESS_CACHE, or the user's folder for caches."""
    named = os.environ.get("EDGEPRESS_CACHE")
    return Path(named).expanduser() if named else user_cache_path("edgepress", appauthor=False)


def check_apart(out: Path, *others: Path) -> None:
    """Raise InputError when `out` is one of the other folders, inside one, or around one.

    A result there could change its own input, or be deleted with it.
    """
    place = out.resolve()
    for other in (path.resolve() for path in others):
        if place == other or other in place.parents or place in other.parents:
            raise InputError(
                f"--out {out}: {'is' if place == other else 'overlaps'} {other}",
                expected="a folder outside the inputs and the cache",
                action="choose another --out",
            )


def check_room(out: Path, needed_bytes: int) -> None:
    """Raise InputError when `out` cannot be written, or its disk has too little space."""
    place = out.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK) or _frozen(place):
        raise InputError(
            f"{out}: cannot be written ({place} is not a writable folder)",
            expected="a folder that can be made or written",
            action="choose another place",
        )
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise InputError(
            f"{place}: {free / 1e6:.0f} MB free",
            expected=f"about {needed_bytes / 1e6:.0f} MB",
            action="free some (`edgepress cache prune`), or choose a place on another disk",
        )


def _frozen(place: Path) -> bool:
    """Tell whether a file system takes no files, such as /proc: root passes every access check."""
    return shutil.disk_usage(place).total == 0

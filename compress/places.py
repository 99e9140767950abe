"""Where results are written; the place is checked before any work."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from runtimes.errors import InputError

_HEAD_BYTES = 4_096
_DEVICES = ("/dev/", "/proc/", "/sys/")
"""A file there is replaced by renaming another one over it, also where it is a link."""


def cache_root() -> Path:
    """Return the cache folder: $EDGEPRESS_CACHE, or the user's folder for caches."""
    named = os.environ.get("EDGEPRESS_CACHE")
    return Path(named).expanduser() if named else user_cache_path("edgepress", appauthor=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Name a path of a command line; what a folder `holds` may lie inside it."""

    name: str
    path: Path
    holds: bool = False


def check_separate(out: Place, others: Sequence[Place]) -> None:
    """Raise InputError when an output is an input or another output, or would change one.

    That is by any spelling, symlink or hard link, inside an input's folder, or around an input
    that would be replaced with the folder.
    """
    for other in others:
        if why := _overlap(out, other):
            raise InputError(
                f"{out.name} {out.path}: {why} {other.name} {other.path}",
                expected="a place of its own: an input must not change, nor be deleted",
                action=f"choose another {out.name}",
            )


def _overlap(out: Place, other: Place) -> str:
    """Say how an output overlaps another place; empty where it does not."""
    place, there = out.path.resolve(), other.path.resolve()
    both = out.path.exists() and other.path.exists()
    if place == there or (both and out.path.samefile(other.path)):
        return "is"
    if there in place.parents and not other.holds:
        return "lies inside"
    if place in there.parents and not out.holds:
        return "lies around"
    return "is a file of" if place.is_file() and there.is_dir() and _holds(there, place) else ""


def _holds(folder: Path, file: Path) -> bool:
    """Tell whether one of a folder's files is this file, by a link."""
    wanted = file.stat()
    return any(os.path.samestat(path.stat(), wanted) for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def check_replaceable(out: Path, mark: re.Pattern[bytes] | None, *, force: bool) -> None:
    """Raise InputError when a file cannot be written, or is there and is not edgepress's.

    edgepress wrote what begins with `mark`, and may replace it; `force` replaces any other file.
    """
    if (out.exists() and not out.is_file()) or str(out.absolute()).startswith(_DEVICES):
        raise InputError(
            f"{out}: not a regular file",
            expected="a new file, or one to replace",
            action="choose another file",
        )
    if out.is_file() and out.stat().st_size and not (force or _marked(out, mark)):
        raise InputError(
            f"{out}: is there already" + (", and edgepress did not write it" if mark else ""),
            expected="a file that is not there yet",
            action="choose another file, or --force to replace it",
        )
    check_writable(out)


def _marked(out: Path, mark: re.Pattern[bytes] | None) -> bool:
    with out.open("rb") as stream:
        return mark is not None and mark.match(stream.read(_HEAD_BYTES)) is not None


def check_writable(file: Path) -> None:
    """Raise InputError if the nearest existing folder takes no file; leave none there."""
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise InputError(
            f"{file}: {folder} takes no file ({error.strerror})",
            expected="a writable folder",
            action="choose another place",
        ) from error


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

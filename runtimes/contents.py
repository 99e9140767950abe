"""The files that a manifest lists, and whether they are unchanged."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from runtimes.digest import stable_hash
from runtimes.errors import ArtifactError
from runtimes.files import file_sha256
from runtimes.listed import LITTER, MANIFEST, ListedFile, belongs

_SHOWN = 5
_SETTLED_NS = 2_000_000_000
"""A file that changed within so long before it was read could change again under the same time."""

_read: dict[str, tuple[tuple[int, ...], str]] = {}
"""The SHA-256 of files that this process has read, with what told them from others."""


def list_files(folder: Path) -> dict[str, ListedFile]:
    """Describe every file of a finished folder, by its path with `/` below the folder.

    The manifest, hidden files and `__pycache__` do not belong to an artifact. Raises ArtifactError
    for a symbolic link: its target may change, or be missing on another machine.
    """
    names = [name for name in _paths(folder) if belongs(name)]
    if links := [name for name in names if _through_link(folder, name)]:
        raise ArtifactError(
            f"{folder / links[0]}: a symbolic link",
            expected="a regular file: an artifact holds all that it is made of",
            action="put a copy of the file in its place",
        )
    return describe_files(folder, names)


def describe_files(folder: Path, names: Iterable[str]) -> dict[str, ListedFile]:
    """Describe the files of these names, links followed; names without a file are left out."""
    files = ((name, folder / name) for name in sorted(names))
    return {
        name: ListedFile(path.stat().st_size, file_sha256(path))
        for name, path in files
        if path.is_file()
    }


def digest_of(files: Mapping[str, ListedFile]) -> str:
    """Return the SHA-256 over the names and contents of the listed files, in any order."""
    return stable_hash([[name, files[name].sha256] for name in sorted(files)])


def check_files(
    folder: Path, files: Mapping[str, ListedFile], manifest: str = MANIFEST, *, exact: bool = False
) -> None:
    """Raise ArtifactError when a listed file is missing, changed or a symbolic link.

    A file is read once; later its size and times tell whether it is still the same. Files that are
    not listed are ignored, unless the folder is to hold `exact` the listed ones and its `manifest`.
    """
    faults = [f"{name} {why}" for name, one in files.items() if (why := _fault(folder, name, one))]
    if exact:
        found = set(_paths(folder, manifest))
        faults += [f"{name} was added" for name in sorted(found - files.keys())]
    if faults:
        more = [f"{len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise ArtifactError(
            f"{folder}: the files do not match {manifest}",
            expected=f"the {len(files)} files that it lists, as they were written",
            available="; ".join([*faults[:_SHOWN], *more]),
            action="make it or copy it again",
        )


def unlisted(folder: Path, files: Mapping[str, ListedFile]) -> list[str]:
    """Return the names of the files in a folder that its manifest does not list."""
    names = (name for name in _paths(folder) if name not in files)
    return [name for name in names if not set(LITTER) & set(name.split("/"))]


def _paths(folder: Path, manifest: str = MANIFEST) -> Iterator[str]:
    """Yield the path, with `/`, of everything below a folder but folders and its manifest."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name != manifest and (path.is_symlink() or not path.is_dir()):
            yield name


def _through_link(folder: Path, name: str) -> bool:
    """Tell whether a name, or a folder on the way to it, is a symbolic link."""
    path = PurePosixPath(name)
    return any((folder / part).is_symlink() for part in (path, *path.parents) if part.name)


def _fault(folder: Path, name: str, listed: ListedFile) -> str:
    """Say what is wrong with a listed file; empty where it is unchanged."""
    path = folder / name
    if _through_link(folder, name):
        return "is a symbolic link"
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != listed.size_bytes:
        return f"has {size:,} bytes in place of {listed.size_bytes:,}"
    return "" if _sha256(path) == listed.sha256 else "was changed"


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file, which is read again only where its size or times differ."""
    key, stamp = str(path.absolute()), stamp_of(path)
    known = _read.get(key)
    if known is not None and known[0] == stamp:
        return known[1]
    digest = file_sha256(path)
    if time.time_ns() - max(stamp[-2:]) > _SETTLED_NS and stamp_of(path) == stamp:
        _read[key] = (stamp, digest)
    return digest


def stamp_of(path: Path) -> tuple[int, ...]:
    """Return what tells a file from a later one in its place: device, number, size and times.

    No program can set the time of the last change (ctime) on Linux or macOS.
    """
    found = path.stat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

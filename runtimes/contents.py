"""The files that a manifest lists, and whether they are unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from runtimes.errors import ArtifactError
from runtimes.files import file_sha256, stable_hash
from runtimes.manifest import MANIFEST

_SHOWN = 5
_LITTER = ("__pycache__", ".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that Python and desktops add to folders."""


class ListedFile(NamedTuple):
    """Hold what a manifest says of one file: its length, and the SHA-256 of its bytes."""

    size_bytes: int
    sha256: str


def list_files(folder: Path) -> dict[str, ListedFile]:
    """Describe every file of a finished folder, by its path with `/` below the folder.

    The manifest, hidden files and `__pycache__` do not belong to an artifact. Raises ArtifactError
    for a symbolic link: its target may change, or be missing on another machine.
    """
    names = [name for name in _paths(folder) if not _left_out(name)]
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


def check_files(folder: Path, files: Mapping[str, ListedFile]) -> None:
    """Raise ArtifactError when a listed file is missing, changed or a symbolic link.

    Files that are not listed are ignored.
    """
    faults = [f"{name} {why}" for name, one in files.items() if (why := _fault(folder, name, one))]
    if faults:
        more = [f"{len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise ArtifactError(
            f"{folder}: the files do not match {MANIFEST}",
            expected=f"the {len(files)} files that it lists, as they were written",
            available="; ".join([*faults[:_SHOWN], *more]),
            action="make or copy the artifact again",
        )


def unlisted(folder: Path, files: Mapping[str, ListedFile]) -> list[str]:
    """Return the names of the files in a folder that its manifest does not list."""
    names = (name for name in _paths(folder) if name not in files)
    return [name for name in names if not set(_LITTER) & set(name.split("/"))]


def files_to_json(files: Mapping[str, ListedFile]) -> dict[str, dict[str, Any]]:
    """Return the list in the manifest's form, sorted by name."""
    return {name: files[name]._asdict() for name in sorted(files)}


def files_from_json(content: Mapping[str, Mapping[str, Any]]) -> dict[str, ListedFile]:
    """Read a manifest's list; raise ValueError for a name that could leave the folder."""
    for name in content:
        if not _stays_inside(name):
            raise ValueError(f"it lists {name!r}, which is no path of a file in the folder")
    return {
        name: ListedFile(int(row["size_bytes"]), str(row["sha256"]))
        for name, row in content.items()
    }


def _paths(folder: Path) -> Iterator[str]:
    """Yield the path, with `/`, of everything below a folder but folders and the manifest."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST and (path.is_symlink() or not path.is_dir()):
            yield name


def _left_out(name: str) -> bool:
    return any(part.startswith(".") or part in _LITTER for part in name.split("/"))


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
    return "" if file_sha256(path) == listed.sha256 else "was changed"


def _stays_inside(name: str) -> bool:
    """Tell whether a name is a plain relative path with `/`, on every system."""
    path = PurePosixPath(name)
    plain = path.as_posix() == name and "\\" not in name and "\0" not in name
    return (
        plain
        and bool(path.name)
        and not path.is_absolute()
        and not PureWindowsPath(name).drive
        and ".." not in path.parts
        and name != MANIFEST
        and not _left_out(name)
    )

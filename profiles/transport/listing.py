"""The files of a folder or of one file, by content: what a device must have of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtimes.digest import stable_hash
from runtimes.errors import InputError
from runtimes.files import file_sha256


@dataclass(frozen=True, slots=True)
class Item:
    """Name one file: its place in the tree, its content by sha256 and its size in bytes."""

    source: Path
    place: str
    sha256: str
    size: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Hold the files of a tree, and the digest of their places and contents."""

    name: str
    is_folder: bool
    items: tuple[Item, ...]
    digest: str

    @property
    def contents(self) -> dict[str, Item]:
        """Return one file of each content, by sha256."""
        return {item.sha256: item for item in self.items}


def listing_of(path: Path) -> Listing:
    """List a file or folder; compiled Python is left out, and a link counts as its file.

    Raises InputError for a name that takes several lines.
    """
    if path.name in ("", ".."):
        path = path.resolve()  # the name of "." is that of the folder
    items = tuple(_items(path))
    rows = [[item.place, item.sha256, item.executable] for item in items]
    digest = stable_hash([path.name, path.is_dir(), rows])[:32]
    return Listing(path.name, path.is_dir(), items, digest)


def _items(path: Path) -> Iterator[Item]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if not file.is_file() or "__pycache__" in file.relative_to(path).parts:
            continue
        state = file.stat()
        place = "/".join((path.name, *file.relative_to(path).parts))
        if "\n" in place:
            raise InputError(
                f"{place!r}: a name with a line break",
                expected="names on one line: devices' shells read them by lines",
                action="rename it",
            )
        sha256 = _sha256(file, state.st_size, state.st_mtime_ns, state.st_ino)
        yield Item(file, place, sha256, state.st_size, bool(state.st_mode & 0o100))


@functools.lru_cache(maxsize=20_000)
def _sha256(file: Path, _size: int, _mtime_ns: int, _inode: int) -> str:
    """Hash a file once for each state of it: every process asks again."""
    return file_sha256(file)

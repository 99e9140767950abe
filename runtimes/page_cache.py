"""Drop files from the page cache, so that the next process reads them from storage."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def forget(folder: Path, *packages: str) -> None:
    """Drop a model's files, and those of the `packages` that run it, from the page cache.

    This needs no privileges. Pages that another process maps stay in the cache, and on some file
    systems all pages do: `ColdStart.read_mb` shows whether it had an effect.
    """
    for file in _files(folder):
        _drop(file, written=True)
    for package in packages:
        for place in _places(package):
            for file in _files(place):
                _drop(file, written=False)


def why_kept(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Say why a folder's files cannot leave memory; empty where they are on storage."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        fields = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    kinds = {row[2]: row[row.index("-") + 1] for row in fields}
    kind = kinds.get(number, "")
    return f"{folder} lies in memory ({kind})" if kind in ("tmpfs", "ramfs") else ""


def _places(package: str) -> Iterator[Path]:
    """Yield the folder of an installed package, and that of its libraries, without importing it."""
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(place)
        yield Path(place).with_name(f"{package}.libs")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _drop(path: Path, *, written: bool) -> None:
    """Advise the kernel to drop a file; a file that was just `written` is synced first."""
    with suppress(OSError, AttributeError):  # no such call on this system
        file = os.open(path, os.O_RDONLY)
        try:
            if written:
                os.fdatasync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)

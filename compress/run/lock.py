"""One process at a time writes a run's folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from runtimes.errors import InputError

_held: dict[Path, int] = {}


def lock(folder: Path) -> None:
    """Keep a folder for this process until it ends, however it ends.

    The folder itself is locked (flock), so nothing is left in it, and the system frees the lock of
    a killed process. Raises InputError, with the owner and the age of the lock where the system
    tells them, where another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        return
    place = folder.resolve()
    if place in _held and os.path.samestat(os.fstat(_held[place]), place.stat()):
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = _owner(os.fstat(handle))
        os.close(handle)
        raise InputError(
            f"{folder}: another edgepress writes it{owner}",
            expected="a folder that no other process writes",
            action="wait for it to end, or choose another --out",
        ) from None
    except OSError:  # a file system without locks, such as some NFS
        os.close(handle)
        return
    _held[place] = handle


def _owner(locked: os.stat_result) -> str:
    """Name the process that holds a lock, and since when it runs; empty where nothing tells."""
    place = f"{os.major(locked.st_dev):02x}:{os.minor(locked.st_dev):02x}:{locked.st_ino}"
    try:
        rows = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        pid = next(int(row[4]) for row in rows if row[1] == "FLOCK" and row[5] == place)
        minutes = (time.time() - Path(f"/proc/{pid}").stat().st_mtime) / 60
    except (OSError, StopIteration, IndexError, ValueError):
        return ""
    return f" (process {pid}, for {max(minutes, 0):.0f} minutes)"

"""One process at a time writes a run's folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import IO

from runtimes.errors import InputError
from runtimes.host import host_id

LOCK = ".edgepress.lock"
_held: dict[Path, IO[str]] = {}


def lock(folder: Path) -> None:
    """Keep a folder for this process until it ends, however it ends.

    The system frees the lock of a killed process. Raises InputError, with the owner and the age of
    the lock, where another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        return
    place = folder.resolve()
    if place in _held and (place / LOCK).exists():
        return
    stream = (place / LOCK).open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = _owner(stream)
        stream.close()
        raise InputError(
            f"{folder}: another edgepress writes it ({owner})",
            expected="a folder that no other process writes",
            action="wait for it to end, or choose another --out",
        ) from None
    except OSError:  # a file system without locks, such as some NFS
        stream.close()
        return
    stream.truncate(0)
    stream.write(json.dumps({"pid": os.getpid(), "host": host_id(), "since": time.time()}))
    stream.flush()
    _held[place] = stream


def _owner(stream: IO[str]) -> str:
    try:
        stream.seek(0)
        said = json.load(stream)
        minutes = (time.time() - float(said["since"])) / 60
        place = "" if said["host"] == host_id() else " on another machine"
        return f"process {int(said['pid'])}{place}, for {minutes:.0f} minutes"
    except (ValueError, KeyError, TypeError):
        return "it has just begun"

"""What a process held when it was killed: it says so while it still can.

The kernel tells nobody how much memory a process had that it killed for lack of memory. So where a
model may not fit, a thread writes the process's size to stderr whenever it has grown, until the
first answer is there.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtimes.files import folder_bytes
from runtimes.machine import peak_rss_mb

_SAYS = "edgepress: memory"
_LINE = re.compile(rf"^{_SAYS} (\d+\.\d) MB$", re.MULTILINE)
_EVERY_S = 0.05
_GROWN_MB = 1.0
_ROOM = 4
"""A model may take several times its files while it is loaded: seen up to 3."""


@contextmanager
def says_peaks(folder: Path, root: Path = Path("/")) -> Iterator[None]:
    """Write the peak memory to stderr as it grows, where the free memory is tight for a model."""
    free = _available_bytes(root)
    if free is None or folder_bytes(folder) * _ROOM < free:
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(done,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(done: threading.Event) -> None:
    said = 0.0
    while True:
        now = peak_rss_mb()
        if now is not None and now >= said + _GROWN_MB:
            said = now
            os.write(2, f"{_SAYS} {now:.1f} MB\n".encode())
        if done.wait(_EVERY_S):
            return


def last_peak_mb(said: str) -> float | None:
    """Return the last size that a process wrote, in MB (10^6 bytes); None where it wrote none."""
    found = _LINE.findall(said)
    return float(found[-1]) if found else None


def without_peaks(said: str) -> str:
    """Return what a process wrote beside its sizes."""
    return "\n".join(line for line in said.splitlines() if not _LINE.match(line))


def _available_bytes(root: Path) -> int | None:
    try:
        text = (root / "proc/meminfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s*(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None

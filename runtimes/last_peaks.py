"""What a process held when it was killed: it says so while it still can.

The kernel tells nobody how much memory a process had that it killed for lack of memory. So where a
model may not fit, a thread writes the process's size to stderr whenever it has grown, and how much
it could have, during all requests that may need more memory than the one before.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtimes.free_memory import free_bytes
from runtimes.machine import peak_rss_mb

_SAYS = "edgepress: memory"
_LINE = re.compile(rf"^{_SAYS} (\d+\.\d)(?: of (\d+\.\d))? MB$", re.MULTILINE)
_IN_GROUP = "edgepress: in a control group"
_EVERY_S = 0.01
_GROWN_MB = 1.0
_ROOM = 4
"""A model may take several times its files while it is loaded: seen up to 3."""

_BESIDE_BYTES = 100_000_000
"""What Python, numpy and a runtime may take beside a model: 50 to 90 MB were seen."""

_NEAR = 0.5
"""The share of what a process could have, from which on a kill for lack of memory was its own.

It may have grown since its last line: by as much as it writes in 10 ms, or in one long call.
"""


@contextmanager
def says_peaks(model_bytes: int, root: Path = Path("/")) -> Iterator[None]:
    """Write the peak memory to stderr as it grows, where the free memory is tight for a model."""
    free = free_bytes(root)
    if free is None or model_bytes * _ROOM + _BESIDE_BYTES < free:
        yield
        return
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(done, root), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(done: threading.Event, root: Path) -> None:
    said = 0.0
    while True:
        now = peak_rss_mb()
        if now is not None and now >= said + _GROWN_MB:
            said = now
            free = free_bytes(root)
            os.write(2, peak_line(now, None if free is None else now + free / 1e6).encode())
        if done.wait(_EVERY_S):
            return


def peak_line(peak_mb: float, could_have_mb: float | None = None) -> str:
    """Return the line that says a process's peak memory, and the most it could have, in MB."""
    of = "" if could_have_mb is None else f" of {could_have_mb:.1f}"
    return f"{_SAYS} {peak_mb:.1f}{of} MB\n"


def say_group() -> None:
    """Write to stderr that a control group holds this process: who ends it says why by itself."""
    os.write(2, f"{_IN_GROUP}\n".encode())


def is_in_group(said: str) -> bool:
    """Tell whether a process wrote that a control group holds it."""
    return _IN_GROUP in said.splitlines()


def last_peak_mb(said: str) -> float | None:
    """Return the last size that a process wrote, in MB (10^6 bytes); None where it wrote none."""
    found = _LINE.findall(said)
    return float(found[-1][0]) if found else None


def was_near_limit(said: str) -> bool:
    """Tell whether a process had most of what it could have when it last wrote its size."""
    found = _LINE.findall(said)
    return bool(found and found[-1][1]) and float(found[-1][0]) >= _NEAR * float(found[-1][1])


def without_peaks(said: str) -> str:
    """Return what a process wrote beside its sizes and its group."""
    lines = said.splitlines()
    return "\n".join(line for line in lines if line != _IN_GROUP and not _LINE.match(line))

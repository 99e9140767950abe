"""Make artifacts of the cache in processes of their own, side by side.

A small model's training steps are too short to be shared between cores: on two, a one-layer student
trains 1.3 times as fast as on one, and two students on one each train 2 times as fast.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from compress.progress import Progress, Silence
from compress.run.cache import Cache
from compress.stage import RunContext, Stage
from runtimes.artifact import Artifact

LONG_S = 30.0
"""The time from which a training is worth a process of its own: that takes seconds to start."""
_MOST = 4
"""The most processes: each holds torch, a student and its rows, about 1 GB."""
_ALONE = 1.4
"""The time of a training beside others over that of one which has all cores."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Hold stages to carry out one after the other, the first one on `source`."""

    stages: tuple[Stage, ...]
    source: Artifact
    context: RunContext


def make_side_by_side(chains: Sequence[Chain], cache: Cache, progress: Progress) -> None:
    """Make the chains' artifacts in the cache; none where this machine works one after the other.

    What their stages warn of is passed on. A chain that fails is left as it is: whoever makes it
    next, alone, sees why.
    """
    waiting = [chain for chain in chains if not _is_made(chain, cache)]
    workers = _workers(len(waiting))
    if workers < 2:
        return
    threads = max(1, _cores() // workers)
    name = f"{len(waiting)} trainings, {workers} at once"
    with progress.task(name, len(waiting)) as advance, _ended() as running:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_started(waiting.pop(0), cache, threads))
            done = _finished(running)
            running.remove(done)
            for warning in _warnings(done):
                progress.warn(warning)
            _close(done)
            advance(1, "")


def rounds(count: int) -> float:
    """Return how many trainings, one after the other, take as long as so many side by side."""
    workers = _workers(count)
    return math.ceil(count / workers) * _ALONE if workers > 1 else float(count)


def _is_made(chain: Chain, cache: Cache) -> bool:
    made: Artifact | None = chain.source
    for stage in chain.stages:
        made = None if made is None else cache.find(stage, made, chain.context)
    return made is not None


def _workers(count: int) -> int:
    from compress.training.loop import accelerator_device

    return min(count, _cores(), _MOST) if accelerator_device().type == "cpu" else 1


def _cores() -> int:
    """Return the cores that torch may use: OMP_NUM_THREADS, or all."""
    import torch

    return torch.get_num_threads()


def _started(chain: Chain, cache: Cache, threads: int) -> subprocess.Popen[bytes]:
    """Start a process on a chain; its standard input stays open as long as this process lives."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": str(threads),
        },
    )
    assert process.stdin is not None
    quiet = replace(chain, context=replace(chain.context, progress=Silence()))
    with suppress(BrokenPipeError):  # it could not start: the chain is left as it is
        pickle.dump((quiet, cache), process.stdin)
        process.stdin.flush()
    return process


def _finished(running: Sequence[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Wait until one of the processes has ended, and return it."""
    while True:
        for process in running:
            try:
                process.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
            return process


@contextmanager
def _ended() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Yield a list of processes, and kill what is still in it: after Ctrl-C, for example."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()
            _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes of a process that has ended; one may hold what was never read."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    with suppress(BrokenPipeError):
        process.stdin.close()


def _warnings(process: subprocess.Popen[bytes]) -> list[str]:
    """Return what the stages of an ended process warned of; of a failed one nothing is known."""
    assert process.stdout is not None
    said = process.stdout.read()
    return list(json.loads(said)) if said and not process.returncode else []


def _main() -> None:
    said = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    with Path(os.devnull).open("w") as nowhere:  # what libraries print is no warning
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    chain, cache = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started it
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    made = chain.source
    for stage in chain.stages:
        made, _ = cache.make(stage, made, chain.context)
    with said:
        json.dump(chain.context.progress.warnings, said)


def _end_with(descriptor: int) -> None:
    """End this process when the one that started it has ended, however it did.

    Read without Python's buffer: its lock, held by a thread, would abort the interpreter's end.
    """
    while os.read(descriptor, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    _main()

"""Start the process that measures, on whatever device a transport reaches."""

from __future__ import annotations

import os
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import runtimes
from runtimes.facts import Facts
from runtimes.worker import Worker, command_of, environment_of

if TYPE_CHECKING:
    from profiles.transport import Transport

TIMEOUT_S = 120.0
"""How long a device may take to answer what needs no model."""

_CODE = Path(runtimes.__file__).parent


def serve(
    transport: Transport, model: Path | None = None, runtime: str = "", threads: int = 1
) -> Worker:
    """Start a fresh process on the device that measures a model, or answers for the machine.

    The model and the code that runs it are brought there first, where they are not there yet.
    """
    place = None if model is None else transport.put(model)
    command = command_of(transport.python, place, runtime, threads)
    env = environment_of(threads, _paths(transport))
    if transport.here:
        command += ["--spawned", str(time.perf_counter_ns())]
    return Worker(transport.run(command, env=env), str(model or f"transport {transport.kind}"))


def facts_of(transport: Transport) -> Facts:
    """Have a process on the device probe it: what a transport to elsewhere knows of it."""
    with serve(transport) as worker:
        return Facts.from_json(worker.ask("facts", TIMEOUT_S))


def _paths(transport: Transport) -> str:
    """Return where the device finds the code: its copy of `runtimes`, then this machine's own."""
    if not transport.here:
        return str(PurePosixPath(transport.put(_CODE)).parent)
    return os.pathsep.join(filter(None, [str(_CODE.parent), os.environ.get("PYTHONPATH")]))

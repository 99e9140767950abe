"""Start the measuring process on the device that a transport reaches."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import runtimes
from runtimes.errors import UnsupportedError
from runtimes.facts import Facts
from runtimes.runtime import RUNTIMES
from runtimes.samples import Variant
from runtimes.tasks import TASKS
from runtimes.worker import Worker, arguments_of, command_of, environment_of

if TYPE_CHECKING:
    from profiles.transport import Transport

TIMEOUT_S = 120.0
"""How long a device may take to reply to a request that needs no model."""

_CODE = Path(runtimes.__file__).parent


def serve(transport: Transport, variant: Variant | None = None) -> Worker:
    """Start a fresh process on the device that measures a model, or answers for the machine.

    The model and the code that runs it are copied there first, unless they are there already.
    """
    command = command_of(transport.python)
    added = [] if variant is None else _added_rows(variant)
    if variant is not None:
        place = transport.put(variant.artifact.path)
        command += arguments_of(
            place, variant.runtime, variant.threads, variant.cores, variant.memory_mb
        )
        command += [f"{option}={row}" for option, row in added]
    env = environment_of(variant.threads if variant else 1, _paths(transport, added))
    if transport.here:
        command += [f"--spawned={time.perf_counter_ns()}"]
    name = str(variant.artifact.path) if variant else f"transport {transport.kind}"
    return Worker(transport.run(command, env=env), name, installs=_how_to_install(transport))


def _how_to_install(transport: Transport) -> str:
    """Say how a package gets onto a device; empty for this machine, where the package says it."""
    if transport.here:
        return ""
    if transport.kind == "emulated":
        return "make the board anew, for a profile with this runtime: `edgepress device emulate`"
    return "run `edgepress device setup PROFILE`, or `pack`, for the profile with this runtime"


def facts_of(transport: Transport) -> Facts:
    """Let a process on the device probe it: remote transports get the facts this way."""
    with serve(transport) as worker:
        return Facts.from_json(worker.ask("facts", TIMEOUT_S))


def _added_rows(variant: Variant) -> list[tuple[str, str]]:
    """Return the classes that other packages add, as options; a device has no entry points."""
    rows = {
        "--runtime-class": RUNTIMES.row(variant.runtime),
        "--task-class": TASKS.row(variant.artifact.task),
    }
    return [(option, row) for option, row in rows.items() if not row.startswith("runtimes.")]


def _paths(transport: Transport, added: list[tuple[str, str]]) -> str:
    """Return the device's paths of `runtimes` and added classes, then this machine's path."""
    code = [_CODE, *(_package(row) for _, row in added)]
    folders = [str(PurePath(transport.put(path)).parent) for path in code]
    inherited = os.environ.get("PYTHONPATH") if transport.here else None
    return os.pathsep.join(filter(None, [*dict.fromkeys(folders), inherited]))


def _package(row: str) -> Path:
    """Return the folder or the single file of the package that holds a class."""
    spec = importlib.util.find_spec(row.partition(":")[0].partition(".")[0])
    if spec is None or spec.origin is None:
        raise UnsupportedError(f"{row}: its package has no files", action="install it again")
    return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)

"""A device that stands for the platform: a package's function runs in sandboxes here."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path

from compress.serverless.driver import Order
from compress.serverless.unpacked import Unpacked
from profiles.job import Job
from runtimes.errors import BackendError
from runtimes.facts import Facts
from runtimes.process import HostProcess
from runtimes.samples import Variant
from runtimes.worker import Worker, arguments_of, environment_of

_ROOT = Path(__file__).parents[2]


_PROBE = (
    "import sys, json; sys.path.insert(0, sys.argv[1]); from runtimes.facts import probe;"
    "print(json.dumps(probe().to_json()))"
)
_PROBE_S = 120


@dataclasses.dataclass(frozen=True, slots=True)
class Start:
    """Say how the function's process is started: the words, and what is in its environment.

    `interpreter` starts its Python, `emulated` where it is another processor's.
    """

    command: tuple[str, ...]
    variables: dict[str, str]
    interpreter: tuple[str, ...]
    emulated: bool = False


class PackageJob(Job):
    """Measure a package on this machine; every other model runs as on this machine.

    A variant with a `memory_mb` gets a sandbox of that size, another one of `memory_mb`. The
    platform's variable is among the facts, since the function sees it.
    """

    def __init__(self, package: Unpacked, start: Start, memory_mb: int, variable: str) -> None:
        super().__init__()
        self._package = package
        self._start = start
        self._memory_mb = memory_mb
        self._variable = variable

    @cached_property
    def _facts(self) -> Facts:
        facts = self._emulated_facts() if self._start.emulated else self.transport.facts()
        seen = dict.fromkeys([*facts.environment, self._variable])
        return dataclasses.replace(facts, environment=tuple(filter(None, seen)))

    def _emulated_facts(self) -> Facts:
        """Let the emulated Python probe the processor that it sees."""
        words = [*self._start.interpreter, "-I", "-S", "-B", "-c", _PROBE, str(_ROOT)]
        try:
            done = subprocess.run(words, capture_output=True, timeout=_PROBE_S, check=True, env={})
            return Facts.from_json(json.loads(done.stdout))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise BackendError(
                f"the emulated processor cannot be probed ({error})",
                action="check the pack: `edgepress device pack`",
            ) from error

    def _launch(self, variant: Variant) -> Worker:
        if variant.artifact.path != self._package.artifact.path:
            return super()._launch(dataclasses.replace(variant, memory_mb=None))
        order = Order(
            folder=str(self._package.function),
            command=self._start.command,
            variables=self._start.variables,
            memory_mb=variant.memory_mb or self._memory_mb,
            version=self._package.version_of(variant.runtime),
            emulated=self._start.emulated,
        )
        command = [sys.executable, "-m", "compress.serverless.driver"]
        command += arguments_of(str(variant.artifact.path), variant.runtime, variant.threads)
        command += [f"--function={json.dumps(dataclasses.asdict(order))}"]
        command += [f"--spawned={time.perf_counter_ns()}"]
        inherited = os.environ.get("PYTHONPATH")
        paths = os.pathsep.join(filter(None, [str(_ROOT), inherited]))
        env = {**os.environ, **environment_of(1, paths)}
        return Worker(HostProcess(command, env), f"{variant.name}: the package")

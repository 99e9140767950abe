"""Measuring processes that a test starts itself, without a transport."""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path

from runtimes import measure as measuring
from runtimes.process import HostProcess
from runtimes.samples import Variant
from runtimes.worker import Worker, arguments_of, command_of, environment_of

ROOT = Path(measuring.__file__).parents[1]


def process(
    folder: Path,
    runtime: str = "onnxruntime",
    threads: int = 1,
    before: tuple[str, ...] = (),
    memory_mb: int | None = None,
) -> HostProcess:
    """Start the process that measures a folder; `before` goes in front of its command."""
    arguments = arguments_of(str(folder), runtime, threads, memory_mb=memory_mb)
    command = [*before, *command_of([sys.executable]), *arguments]
    command += ["--spawned", str(time.perf_counter_ns())]
    return HostProcess(command, {**os.environ, **environment_of(threads, str(ROOT))})


def launch(variant: Variant) -> Worker:
    """Start a fresh process for a variant."""
    folder = variant.artifact.path
    return Worker(process(folder, variant.runtime, variant.threads), str(folder))


measure = functools.partial(measuring.measure, launch=launch)

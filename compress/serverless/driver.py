"""Measure a package by the measuring protocol: each row is an event through the Runtime API.

It stands where `runtimes.serve` stands for a model, so that sessions, samples and verdicts are the
same. The function runs in a process of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from compress.serverless.answering import CLASSIFIER, as_bundle, classified, event_of
from compress.serverless.sandbox import Invoked, Sandbox, Settings
from compress.serverless.share import Share, granted_cpus
from runtimes import serve, timing
from runtimes.errors import BackendError, InputError, OutOfMemoryError
from runtimes.limits import is_lack_of_memory, ran_out
from runtimes.page_cache import forget, why_kept
from runtimes.predict import Predictor, open_predictor

_WAITED = 0.1
_EMULATED_S = 900.0


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """Say which function runs, by which command and variables, with how much memory.

    `version` is that of its runtime. An `emulated` one gets all the time and memory that it takes.
    """

    folder: str
    command: tuple[str, ...]
    variables: dict[str, str]
    memory_mb: int
    version: str = ""

    emulated: bool = False

    def sandbox(self, share: Share | None) -> Sandbox:
        """Return the sandbox of a new process; nothing runs yet."""
        settings = Settings(self.memory_mb)
        if self.emulated:
            settings = dataclasses.replace(
                settings, timeout_s=_EMULATED_S, init_limit_s=_EMULATED_S
            )
        hold = {} if share is None else {"hold": share.take}
        folder = Path(self.folder)
        return Sandbox(folder, self.command, settings, variables=self.variables, **hold)


class PackageServer(serve.MeasuringServer):
    """Answer the measuring protocol for a function behind the Runtime API."""

    def __init__(self, arguments: argparse.Namespace, started_ns: int, limit: str = "") -> None:
        super().__init__(arguments, started_ns, limit)
        order = self._order = Order(**json.loads(arguments.function))
        share = None if order.emulated else Share(order.memory_mb, granted_cpus(order.memory_mb))
        self._share = share
        self._sandbox = order.sandbox(share)

    def load(self, row: Any) -> dict[str, Any]:
        """Start the function, and let it answer its first event; report how long each step took.

        `interpreter_ms` and `imports_ms` are the platform's initialization: until the function asks
        for an event. With another client than edgepress's own the first is part of the second.
        `load_ms` is what the function says that opening the model took, within the
        first event; `first_result_ms` is the rest of that.
        """
        init_ms = self._started()
        answered = self._invoked(event_of(row))
        total_ms = (answered.ended_ns - self._sandbox.spawned_ns) / 1e6
        opened_ms = _opened_ms(self._sandbox.log())
        entered_ns = self._sandbox.entered_ns
        interpreter_ms = (entered_ns - self._sandbox.spawned_ns) / 1e6 if entered_ns else 0.0
        return {
            "runtime": self._arguments.runtime,
            "version": self._order.version,
            "interpreter_ms": interpreter_ms,
            "imports_ms": init_ms - interpreter_ms,
            "load_ms": opened_ms,
            "session_ms": 0.0,
            "first_inference_ms": answered.duration_ms - opened_ms,
            "first_result_ms": total_ms - init_ms - opened_ms,
            "total_ms": total_ms,
            "read_mb": _read_mb(self._sandbox.pid),
            "memory_limit": self._held_by,
        }

    def rows(self, rows: list[Any]) -> dict[str, Any]:
        """Keep the rows that later requests name by index."""
        self._rows = rows
        return {}

    def _started(self) -> float:
        try:
            return self._sandbox.start()
        except BackendError as error:
            if self._ran_out(error.available or ""):
                raise self._out_of_memory(None) from error
            raise

    def _ran_out(self, log: str) -> bool:
        killed = self._share is not None and self._share.oom_kills > 0
        return killed or is_lack_of_memory(log)

    @property
    def _held_by(self) -> str:
        return self._share.line if self._share else ""

    def close(self) -> None:
        """End the function, and free its share."""
        self._sandbox.close()
        if self._share:
            self._share.close()

    def peak(self) -> dict[str, Any]:
        """Return the peak resident memory of the function's process."""
        return {"rss_peak_mb": memory_mb(self._sandbox.pid, "VmHWM")}

    def answers(self, rows: list[Any], first: int = 0) -> dict[str, Any]:
        """Return the answer to each row alone; see `answering`."""
        return {"answers": [self._answer(row, first + place) for place, row in enumerate(rows)]}

    def _answer(self, row: Any, place: int) -> dict[str, Any]:
        def ask(event: dict[str, Any]) -> Any:
            invoked = self._invoked(event, f"row {place + 1} of the data: ")
            return json.loads(invoked.payload)["answers"][0]

        manifest = self._manifest()
        if manifest.task == CLASSIFIER:
            return serve.encoded(classified(row, manifest.labels, ask))
        emulated = self._order.emulated
        return serve.encoded(as_bundle(row, place, self._bundle, ask, emulated=emulated))

    @cached_property
    def _bundle(self) -> Predictor:
        """Open the package's bundle in this process, to compare with."""
        return open_predictor(
            Path(self._arguments.model),
            runtime=self._arguments.runtime,
            manifest=self._manifest(),
            bundled=True,
        )

    def forget(self) -> dict[str, Any]:
        """Drop the function's files from the page cache, or say why not."""
        folder = Path(self._order.folder)
        why = why_kept(folder)
        if not why:
            forget(folder)
        return {"why": why}

    def throughput(
        self, batch: int, concurrency: int, seconds: float, rows: list[int]
    ) -> dict[str, Any]:
        """Refuse: a sandbox answers one event at a time."""
        raise _one_at_a_time()

    def arrivals(
        self, per_s: float, seconds: float, settling_s: float, seed: str, rows: list[int]
    ) -> dict[str, Any]:
        """Refuse: a sandbox answers one event at a time."""
        raise _one_at_a_time()

    def _timed(self, row: Any) -> timing.Timed:
        pid = self._sandbox.pid
        before = _waits(pid)
        invoked = self._invoked(event_of(row))
        after = _waits(pid)
        waited = (after[1] - before[1]) / 1e6 > _WAITED * invoked.duration_ms
        return timing.Timed(invoked.duration_ms, None, None, waited or after[0] > before[0])

    def _invoked(self, event: dict[str, Any], what: str = "") -> Invoked:
        """Return the answer to an event; raise BackendError where there is none."""
        pid = self._sandbox.pid
        peak_mb = memory_mb(pid, "VmHWM")
        invoked = self._sandbox.invoke(json.dumps(event).encode())
        said = json.loads(invoked.payload)
        if not invoked.error and isinstance(said, dict) and said.get("statusCode") == 200:
            return invoked
        if self._ran_out(invoked.log):
            raise self._out_of_memory(peak_mb)
        why = f"{invoked.error}: {said.get('errorMessage')}" if invoked.error else said.get("error")
        raise BackendError(
            f"{what}the function does not answer: {why}",
            available=invoked.log[-600:] or "nothing in its log",
            action="invoke that text alone, and read the function's log",
        )

    def _out_of_memory(self, peak_mb: float | None) -> OutOfMemoryError:
        error = OutOfMemoryError(
            f"the function: {ran_out(self._order.memory_mb, self._held_by)}",
            action="make the model smaller, or grant more memory",
        )
        error.rss_peak_mb, error.memory_limit = peak_mb, self._held_by
        return error


def _one_at_a_time() -> InputError:
    return InputError(
        "a load of several rows at once",
        expected="single events: the platform gives a sandbox one at a time",
        action="leave budgets on throughput and arrivals out for a package",
    )


def _opened_ms(log: str) -> float:
    """Return what the function logged that opening its model took; 0 without that line."""
    for line in log.splitlines():
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and said.get("event") == "opened":
                return float(said["open_ms"])
    return 0.0


def memory_mb(pid: int | None, field: str) -> float | None:
    """Return a process's memory by the kernel's name, such as VmHWM, in MB (10^6 bytes)."""
    for line in _text(f"/proc/{pid}/status").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / 1e6
    return None


def _read_mb(pid: int | None) -> float | None:
    for line in _text(f"/proc/{pid}/io").splitlines():
        if line.startswith("read_bytes:"):
            return int(line.split()[1]) / 1e6
    return None


def _waits(pid: int | None) -> tuple[int, int]:
    """Return how often the process was preempted, and for how many ns it waited for a CPU."""
    preempted = waited = 0
    tasks = f"/proc/{pid}/task"
    with suppress(OSError):
        for task in os.listdir(tasks):  # noqa: PTH208 - no Path for each of thousands of rows
            status = _text(f"{tasks}/{task}/status").rpartition("nonvoluntary_ctxt_switches:")[2]
            preempted += int(status) if status.strip().isdigit() else 0
            fields = _text(f"{tasks}/{task}/schedstat").split()
            waited += int(fields[1]) if len(fields) == 3 else 0
    return preempted, waited


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer requests from stdin until it ends."""
    parser = serve.parser()
    parser.add_argument("--function", metavar="JSON", required=True, help="an Order")
    serve.serve(parser.parse_args(arguments), PackageServer)


if __name__ == "__main__":
    main()

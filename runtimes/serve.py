"""Measure one model in its own process: one JSON object a line in, one a line out."""

from __future__ import annotations

import time

_ENTERED_NS = time.perf_counter_ns()

import argparse  # noqa: E402 - the clock above starts before the imports that it times
import base64  # noqa: E402
import functools  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from array import array  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from runtimes import timing  # noqa: E402
from runtimes.contents import check_files  # noqa: E402
from runtimes.errors import (  # noqa: E402
    AnswerError,
    BackendError,
    EdgepressError,
    InputError,
    MissingPackageError,
    OutOfMemoryError,
    first_line,
    unexpected,
)
from runtimes.last_peaks import say_group, says_peaks  # noqa: E402
from runtimes.limits import (  # noqa: E402
    CGROUP,
    RAN_OUT,
    is_lack_of_memory,
    limit_memory,
    parsed_cores,
    pin,
    ran_out,
)
from runtimes.machine import MachineMonitor, peak_rss_mb, read_mb, started_ns  # noqa: E402
from runtimes.manifest import Manifest, read_manifest  # noqa: E402
from runtimes.predict import Predictor, load_runtime, load_task, make_task, open_model, packages  # noqa: E402
from runtimes.soundness import numbers_of  # noqa: E402
from runtimes.stopping import ends_without_caller  # noqa: E402

_ALONE_S = 5
"""How long a request may still take once its caller is gone."""

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimes.tasks import Answer


class MeasuringServer:
    """Answer the measuring protocol: one JSON object a line in, one a line out.

    `load` loads the model and computes a first result, `rows` keeps rows that later requests name,
    `warm` runs until latency is stable, `run` times single rows from input to answer, `idle` does
    so after an idle gap each, `throughput` counts rows under a load, `arrivals` answers requests
    that arrive at a rate, `peak` reports memory, `answers` returns the model's answers to rows,
    `forget` drops the model's files from the page cache, `memory` loads the model again and reports
    the memory after each step. `facts` and `activity` describe the machine and need no model.
    """

    def __init__(
        self, arguments: argparse.Namespace, started_ns: int, memory_limit: str = ""
    ) -> None:
        self._arguments = arguments
        self._memory_limit = memory_limit
        self._started_ns = started_ns
        self._model_bytes = 0
        self._predictor: Predictor | None = None
        self._rows: list[Any] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request."""
        commands: dict[str, Callable[..., dict[str, Any]]] = {
            "load": self.load,
            "rows": self.rows,
            "warm": self.warm,
            "run": self.run,
            "idle": self.idle,
            "throughput": self.throughput,
            "arrivals": self.arrivals,
            "peak": self.peak,
            "answers": self.answers,
            "forget": self.forget,
            "memory": self.memory,
            "facts": self.facts,
            "activity": self.activity,
        }
        do = request.pop("do", None)
        if do not in commands:
            raise InputError(
                f"unknown request {do!r}; expected {', '.join(commands)}",
                action="send one of these",
            )
        return commands[do](**request)

    def close(self) -> None:
        """Free what outlives this process: nothing here."""

    def load(self, row: Any) -> dict[str, Any]:
        """Load everything and answer one row; report how long each step took, in ms."""
        pin(self._arguments.cores)
        clock = timing.Stopwatch()
        manifest = self._manifest()
        self._model_bytes = sum(file.size_bytes for file in manifest.files.values())
        with says_peaks(self._model_bytes):
            return self._load(row, manifest, clock)

    def _load(self, row: Any, manifest: Manifest, clock: timing.Stopwatch) -> dict[str, Any]:
        folder = Path(self._arguments.model)
        runtime = load_runtime(manifest, self._arguments.runtime)
        task_class = load_task(manifest)
        imports_ms = clock.lap_ms()
        check_files(folder, manifest.files)
        checking_ms = clock.lap_ms()
        opened = open_model(folder, manifest, runtime, self._arguments.threads)
        session_ms = clock.lap_ms()
        task = make_task(task_class, folder, manifest, opened)
        load_ms = checking_ms + clock.lap_ms()
        self._predictor = predictor = Predictor(task, opened)
        feeds = task.feeds(row)
        encode_ms = clock.lap_ms()
        outputs = opened.run(feeds)
        first_inference_ms = clock.lap_ms()
        task.shown(predictor.answer_in(outputs, feeds), row, 0)
        return {
            "runtime": opened.runtime,
            "version": opened.version,
            "python": sys.version.split()[0],
            "interpreter_ms": (_ENTERED_NS - self._started_ns) / 1e6,
            "imports_ms": imports_ms,
            "load_ms": load_ms,
            "session_ms": session_ms,
            "first_inference_ms": first_inference_ms,
            "first_result_ms": encode_ms + first_inference_ms + clock.lap_ms(),
            "total_ms": (time.perf_counter_ns() - self._started_ns) / 1e6,
            "read_mb": read_mb(),
            "memory_limit": self._memory_limit,
        }

    def rows(self, rows: list[Any]) -> dict[str, Any]:
        """Keep the rows that later requests name by index."""
        self._loaded()
        self._rows = rows
        gc.collect()
        gc.freeze()  # present objects stay; later collections skip them
        return {}

    def warm(self, runs: int, seconds: float, limit_s: float) -> dict[str, Any]:
        """Answer the same rows again until the last three medians agree within 2 %."""
        return timing.warm(self._timed, self._rows, runs, seconds, limit_s)

    def run(self, rows: list[int], settle_ms: float = 0.0) -> dict[str, Any]:
        """Time each named row from input to answer, after others for `settle_ms`."""
        others = sorted(set(range(len(self._rows))).difference(rows))
        return timing.block(
            self._timed,
            self._chosen(rows),
            self._machine,
            others=self._chosen(others),
            settle_ms=settle_ms,
        )

    def idle(self, rows: list[int], gap_ms: float) -> dict[str, Any]:
        """Time each named row after an idle gap."""
        return timing.idle(self._timed, self._chosen(rows), gap_ms)

    def throughput(
        self, batch: int, concurrency: int, seconds: float, rows: list[int]
    ) -> dict[str, Any]:
        """Count the rows that `concurrency` threads answer in a second, `batch` at a time."""
        model, chosen = self._loaded(), self._chosen(rows)
        with says_peaks(self._model_bytes):
            return timing.throughput(model, chosen, batch, concurrency, seconds)

    def arrivals(
        self, per_s: float, seconds: float, settling_s: float, seed: str, rows: list[int]
    ) -> dict[str, Any]:
        """Answer requests that arrive at a rate, and time each from its arrival to its answer."""
        from runtimes.arrivals import serve_arrivals

        chosen = self._chosen(rows)
        return serve_arrivals(self._loaded(), chosen, per_s, seconds, settling_s, seed)

    def _timed(self, row: Any) -> timing.Timed:
        return timing.timed(self._loaded(), row)

    def _chosen(self, rows: list[int]) -> list[Any]:
        return [self._rows[row] for row in rows]

    def peak(self) -> dict[str, Any]:
        """Return the peak resident memory of the process that holds the model."""
        return {"rss_peak_mb": peak_rss_mb()}

    def answers(self, rows: list[Any], first: int = 0) -> dict[str, Any]:
        """Return the answer to each row alone; the caller limits the rows of one reply.

        `first` is the number of the first one, from 0, to name the row that fails.
        """
        with says_peaks(self._model_bytes):
            return {"answers": [self._answer(row, first + at) for at, row in enumerate(rows)]}

    def _answer(self, row: Any, place: int) -> dict[str, Any]:
        predictor = self._loaded()
        try:
            return encoded(predictor.answer(row))
        except AnswerError as error:
            raise error.of(f"row {place + 1} of the data") from error
        except Exception as error:  # whatever a runtime raises; the row itself may be private
            raise BackendError(
                f"the model fails on row {place + 1} of the data: {first_line(error)}",
                action="try that row alone: `edgepress predict`",
            ) from error

    def forget(self) -> dict[str, Any]:
        """Drop the model's and its runtime's files from the page cache, or say why not."""
        from runtimes.page_cache import forget, why_kept

        folder = Path(self._arguments.model)
        why = why_kept(folder)
        if not why:
            manifest = self._manifest()
            forget(folder, *packages(manifest, self._arguments.runtime))
        return {"why": why}

    def memory(self, rows: list[Any]) -> dict[str, Any]:
        """Load the model step by step, and return the memory held after each step."""
        from runtimes.memory_steps import steps

        chosen = self._arguments
        held = steps(Path(chosen.model), self._manifest(), chosen.runtime, chosen.threads, rows)
        return {"steps": held}

    def facts(self) -> dict[str, Any]:
        """Probe the machine's hardware."""
        from runtimes.facts import probe

        return probe().to_json()

    def activity(self, seconds: float) -> dict[str, Any]:
        """Keep a core busy for so long, and return what disturbed it."""
        from runtimes.activity import observe

        return observe(seconds).to_json()

    @functools.cached_property
    def _machine(self) -> MachineMonitor:
        return MachineMonitor()  # created when first used: a cold start does not need it

    def _manifest(self) -> Manifest:
        """Read the model's manifest, with the classes that the caller names or else our own ones.

        The classes that a bundle names belong to the code in it, which does not run here.
        """
        given = self._arguments
        named = {given.runtime: given.runtime_class} if given.runtime_class else {}
        manifest = read_manifest(Path(given.model))
        return manifest._replace(runtimes=named, task_class=given.task_class or "")

    def _loaded(self) -> Predictor:
        if self._predictor is None:
            raise InputError("the first request must be load", action="send load first")
        return self._predictor


def encoded(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON: its shape, and its bytes as little-endian float32 in base64."""
    shape: list[int] = []
    inner: Any = answer
    while isinstance(inner, Sequence):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    content = array("f", numbers_of(answer))
    if sys.byteorder == "big":
        content.byteswap()
    return {"shape": shape, "float32": base64.b64encode(content.tobytes()).decode("ascii")}


def serve(arguments: argparse.Namespace, server: type[MeasuringServer] = MeasuringServer) -> None:
    """Answer requests from stdin until it ends, then end the process at once.

    Python's normal exit frees the session piece by piece, which takes 50 ms without need.
    """
    memory_limit = limit_memory(arguments.memory_mb)
    if memory_limit == CGROUP:
        say_group()
    ends_without_caller(0, _ALONE_S)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not appear between the replies
    started = started_ns(arguments.spawned, _ENTERED_NS)
    worker = server(arguments, started, memory_limit)
    for line in sys.stdin:
        try:
            reply = worker.answer(json.loads(line))
        except EdgepressError as error:
            reply = _failed(error, arguments.memory_mb, memory_limit)
        except (KeyboardInterrupt, SystemExit):
            raise  # the process ends, and its parent says why
        except BaseException as error:  # whatever a library raises; a panic is no Exception
            reply = _failed(unexpected(error), arguments.memory_mb, memory_limit)
        print(json.dumps(reply), file=replies, flush=True)
    worker.close()
    os._exit(0)


def _failed(error: EdgepressError, memory_mb: int | None, held_by: str) -> dict[str, Any]:
    """Return the reply that carries an error; one for lack of memory has the peak reached."""
    if isinstance(error, OutOfMemoryError):  # of a process that this one started
        held = {"rss_peak_mb": error.rss_peak_mb, "memory_limit": error.memory_limit}
        return {"error": str(error), "out_of_memory": True, **held}
    if isinstance(error, MissingPackageError):
        return {"error": str(error), "missing": error.package}
    if not is_lack_of_memory(str(error)):
        return {"error": str(error), "unsound": isinstance(error, AnswerError)}
    short = ran_out(memory_mb, held_by) if memory_mb else RAN_OUT
    said = BackendError(
        f"{short}: {error.received}",
        action="make the model smaller, or use a device with more memory",
    )
    return {
        "error": str(said),
        "out_of_memory": True,
        "rss_peak_mb": peak_rss_mb(),
        "memory_limit": held_by,
    }


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        description="Answer the measuring protocol on stdin.", allow_abbrev=False
    )
    parser.add_argument("--model", metavar="FOLDER", help="the artifact folder")
    parser.add_argument("--runtime", metavar="NAME", help="default: by the model's format")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="0: as many as it likes"
    )
    parser.add_argument(
        "--cores", type=parsed_cores, default=(), metavar="N,…", help="stay on these: 0,1 or big"
    )
    parser.add_argument("--memory-mb", type=int, metavar="MIB", help="fail beyond so much data")
    parser.add_argument("--runtime-class", metavar="MODULE:CLASS", help="default: the registered")
    parser.add_argument("--task-class", metavar="MODULE:CLASS", help="default: the registered")
    parser.add_argument("--spawned", type=int, metavar="NS", help="when the parent started this")
    return parser


if __name__ == "__main__":
    serve(parser().parse_args())

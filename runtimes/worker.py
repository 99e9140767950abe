"""Talk to one process that measures one model, on any machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtimes.errors import AnswerError, BackendError, DeviceError, OutOfMemoryError
from runtimes.last_peaks import last_peak_mb, without_peaks
from runtimes.limits import CGROUP, Cores
from runtimes.process import Process, end_of

if TYPE_CHECKING:
    from typing import Self

_STDERR_LINES = 12


class Worker:
    """Own one fresh process of `runtimes.serve`; use it as a context manager.

    `name` stands in error messages: the model's folder, for example. `installs` says how a package
    gets onto another device than this machine.
    """

    def __init__(self, process: Process, name: str, *, installs: str = "") -> None:
        self._process = process
        self._name = name
        self._installs = installs

    def ask(self, do: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """Send one request and return its reply.

        Raises BackendError, with the process's last words, when it reports an error, ends, or
        is silent for `timeout_s` (it is killed then), AnswerError for answers that are none, and
        DeviceError when its device is gone or lacks a package.
        """
        expired = threading.Event()
        watchdog = threading.Timer(timeout_s, self._expire, (expired,))
        watchdog.daemon = True
        watchdog.start()
        try:
            line = self._exchange(json.dumps({"do": do, **fields}) + "\n")
        finally:
            watchdog.cancel()
        reply = _parsed(line)
        if reply is None:
            raise self._ended(do, timeout_s if expired.is_set() else None)
        if self._installs and "missing" in reply:
            raise DeviceError.of(
                self._name,
                f"{reply['missing']} is not installed on its device",
                action=self._installs,
            )
        if "error" in reply:
            raise _relayed(reply)
        return reply

    def close(self) -> None:
        """End the process, by force if needed, and free its resources."""
        with suppress(OSError):
            self._process.stdin.close()
        self._wait(2)
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        self.close()

    def _wait(self, seconds: float) -> int:
        """Let the process end by itself, so that its exit code gives the reason; then kill it."""
        code = self._process.wait(seconds)
        if code is None:
            self._process.kill()
            code = self._process.wait(seconds)
        return 0 if code is None else code

    def _expire(self, expired: threading.Event) -> None:
        expired.set()
        self._process.kill()

    def _exchange(self, line: str) -> bytes:
        with suppress(BrokenPipeError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        return self._process.stdout.readline()

    def _ended(self, do: str, timeout_s: float | None) -> BackendError | DeviceError:
        code, written = self._wait(5), self._process.said()
        if timeout_s is None and (lost := self._process.lost()):
            return lost
        said = without_peaks(written)
        ended, short = "", False
        if timeout_s is None:
            ended, short = end_of(self._process, code)
            why = f"ended during {do!r} ({ended})"
        else:
            why = f"did not answer {do!r} within {timeout_s:g} s and was stopped"
        error = (OutOfMemoryError if short else BackendError)(
            f"{self._name}: the measuring process {why}",
            available="\n             ".join(said.splitlines()[-_STDERR_LINES:])
            or "it said nothing",
            action="run the model alone: predict.py in its bundle, or `edgepress predict`"
            if code
            else "start Python there by hand; `edgepress device setup` or `pack` make it anew",
        )
        if isinstance(error, OutOfMemoryError):
            error.rss_peak_mb = last_peak_mb(written)
            error.memory_limit = CGROUP if f"({CGROUP})" in ended else ""
        return error


def _relayed(reply: Mapping[str, Any]) -> BackendError:
    if reply.get("out_of_memory"):
        error = OutOfMemoryError.relayed(reply["error"])
        error.rss_peak_mb = reply["rss_peak_mb"]
        error.memory_limit = reply["memory_limit"]
        return error
    return (AnswerError if reply.get("unsound") else BackendError).relayed(reply["error"])


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None


def decoded(answer: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the array that the process wrote as its shape and its float32 bytes in base64."""
    content = np.frombuffer(base64.b64decode(answer["float32"]), "<f4")
    return content.reshape(answer["shape"]).astype(np.float32)


def command_of(python: Sequence[str]) -> list[str]:
    """Return the command line that starts the measuring process; `python` starts Python."""
    return [*python, "-m", "runtimes.serve"]


def arguments_of(
    folder: str, runtime: str, threads: int, cores: Cores = (), memory_mb: int | None = None
) -> list[str]:
    """Return the command line's arguments for a model to measure."""
    named = cores if isinstance(cores, str) else ",".join(map(str, cores))
    pinned = [f"--cores={named}"] if named else []
    limited = [] if memory_mb is None else [f"--memory-mb={memory_mb}"]
    said = [f"--model={folder}", f"--runtime={runtime}", f"--threads={threads}"]
    return [*said, *pinned, *limited]


def environment_of(threads: int, paths: str) -> dict[str, str]:
    """Return the process's environment variables; `paths` is its PYTHONPATH."""
    # -P says the same, and Python 3.9 and 3.10 refuse it.
    settings = {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}
    return {**settings, "OMP_NUM_THREADS": str(threads)} if threads else settings

"""Talk to one agent process that measures one model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runtimes import agent
from runtimes.errors import BackendError

_STDERR_LINES = 12


class Worker:
    """Own one fresh process of the agent; use it as a context manager.

    The process has a session of its own, so that Ctrl-C reaches only the parent, which then
    ends it. A parent that is killed closes the pipe, and the process ends by itself.
    """

    def __init__(
        self,
        folder: Path,
        *,
        runtime: str,
        threads: int,
        wrap: Callable[[list[str]], list[str]] = lambda command: command,
    ) -> None:
        self._folder = folder
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        command = [sys.executable, "-P", agent.__file__, "--serve", "--model", str(folder)]
        command += ["--runtime", runtime, "--threads", str(threads)]
        command += ["--spawned", str(time.perf_counter_ns())]
        self._process = subprocess.Popen(
            wrap(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=_environment(threads),
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def ask(self, do: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """Send one request and return its reply.

        Raises BackendError, with the process's last words, when it reports an error, ends, or
        is silent for `timeout_s` (it is killed then).
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
        if "error" in reply:
            raise BackendError(reply["error"])
        return reply

    def close(self) -> None:
        """End the process, by force if it does not end at once, and free what it held."""
        process = self._process
        with suppress(OSError):
            if process.stdin:
                process.stdin.close()
        self._wait(2)
        if process.stdout:
            process.stdout.close()
        self._stderr.close()

    def kill(self) -> None:
        """End the process by force."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.kill()
        self.close()

    def _wait(self, seconds: float) -> None:
        """Let the process end by itself, so that its exit code tells why; then force it."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def _expire(self, expired: threading.Event) -> None:
        expired.set()
        self._process.kill()

    def _exchange(self, line: str) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        return self._process.stdout.readline()

    def _ended(self, do: str, timeout_s: float | None) -> BackendError:
        self._wait(5)
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip().splitlines()[-_STDERR_LINES:]
        why = (
            f"did not answer {do!r} within {timeout_s:.0f} s and was stopped"
            if timeout_s is not None
            else f"ended during {do!r} {_exit_text(self._process.returncode)}"
        )
        return BackendError(
            f"{self._folder}: the measuring process {why}",
            available="\n             ".join(said) or "it said nothing",
            action="try the model alone: predict.py in its bundle, or `edgepress predict`",
        )


def _exit_text(code: int) -> str:
    if code == -9:
        return "(killed by signal 9, as the kernel does when memory runs out)"
    return f"(signal {-code})" if code < 0 else f"(exit code {code})"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None


def _environment(threads: int) -> Mapping[str, str]:
    settings = {"TOKENIZERS_PARALLELISM": "false"}
    if threads:
        settings["OMP_NUM_THREADS"] = str(threads)
    return {**os.environ, **settings}

"""Talk to one process that measures one model."""

from __future__ import annotations

import json
import os
import signal
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

from runtimes.errors import BackendError

_STDERR_LINES = 12


class Worker:
    """Own one fresh process of `runtimes.serve`; use it as a context manager.

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
        self._oom_kills = oom_kills()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        command = [sys.executable, "-P", "-m", "runtimes.serve", "--model", str(folder)]
        command += ["--runtime", runtime, "--threads", str(threads)]
        command += ["--spawned", str(time.perf_counter_ns())]
        self._process = self._started(wrap(command), threads)

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

    def _started(self, command: list[str], threads: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=_environment(threads),
                start_new_session=True,
            )
        except OSError as error:
            self._stderr.close()
            raise BackendError(
                f"{self._folder}: the measuring process cannot be started ({error.strerror})",
                action="see whether memory or the number of processes ran out",
            ) from None

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
        said = self._stderr.read().decode(errors="replace").strip()
        why = (
            f"did not answer {do!r} within {timeout_s:g} s and was stopped"
            if timeout_s is not None
            else f"ended during {do!r} ({_cause(self._process.returncode, said, self._oom_kills)})"
        )
        return BackendError(
            f"{self._folder}: the measuring process {why}",
            available="\n             ".join(said.splitlines()[-_STDERR_LINES:])
            or "it said nothing",
            action="try the model alone: predict.py in its bundle, or `edgepress predict`",
        )


def oom_kills(root: Path = Path("/")) -> int | None:
    """Return how many processes the kernel has ended for want of memory; None where unknown.

    The count is the whole machine's and, for cgroup v2, that of this process's own group too.
    """
    counts = [_counted(root / "proc/vmstat"), *map(_counted, _memory_events(root))]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _memory_events(root: Path) -> list[Path]:
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    names = [group[3:].lstrip("/") for group in groups if group.startswith("0::")]
    return [root / "sys/fs/cgroup" / name / "memory.events" for name in names]


def _counted(file: Path) -> int | None:
    try:
        rows = [line.split() for line in file.read_text().splitlines()]
    except OSError:
        return None
    return next((int(row[1]) for row in rows if row[0] == "oom_kill"), None)


_MEMORY_WORDS = ("bad_alloc", "bad allocation", "MemoryError", "Failed to allocate memory")
_SIGNALS = {
    "SIGABRT": "the runtime gave up",
    "SIGSEGV": "the runtime or one of the model's operators is broken",
    "SIGILL": "the runtime was built for another processor",
    "SIGBUS": "a file that was mapped became shorter, or memory is faulty",
}


def _cause(code: int, said: str, oom_kills_before: int | None) -> str:
    """Say what probably ended a process, from its exit code and its last words."""
    name = {known.value: known.name for known in signal.Signals}.get(-code, "")
    exit_text = f"signal {-code}" if code < 0 else f"exit code {code}"
    exit_text += f", {name}" if name else ""
    if name == "SIGKILL":
        return f"{exit_text}: {_killer(oom_kills_before)}"
    if any(word in said for word in _MEMORY_WORDS):
        return f"{exit_text}: memory ran out"
    return f"{exit_text}: {_SIGNALS[name]}" if name in _SIGNALS else exit_text


def _killer(oom_kills_before: int | None) -> str:
    now = oom_kills()
    if now is None or oom_kills_before is None:
        return "killed, as the kernel does when memory runs out"
    if now > oom_kills_before:
        return "the kernel ended it because memory ran out"
    return "killed from outside; the kernel counts no process ended for want of memory"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None


def _environment(threads: int) -> Mapping[str, str]:
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {"TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": os.pathsep.join(paths)}
    if threads:
        settings["OMP_NUM_THREADS"] = str(threads)
    return {**os.environ, **settings}

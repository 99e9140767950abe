"""A process with pipes that measures a model, on this machine or on a device."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from runtimes.errors import BackendError, DeviceError
from runtimes.last_peaks import is_in_group, was_near_limit
from runtimes.limits import RAN_OUT, is_lack_of_memory


class Process(Protocol):
    """A process on any machine: its pipes, its end and its messages."""

    @property
    def stdin(self) -> IO[bytes]:
        """Return the pipe that the process reads."""

    @property
    def stdout(self) -> IO[bytes]:
        """Return the pipe that the process writes."""

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code (a negative signal number), None while it runs."""

    def kill(self) -> None:
        """Kill the process."""

    def said(self) -> str:
        """Return what the process wrote to stderr."""

    def out_of_memory(self) -> bool | None:
        """Tell whether its machine killed a process for lack of memory since; None if unknown."""

    def lost(self) -> DeviceError | None:
        """Return the error of a process whose device is gone; None if it ended by itself."""

    def close(self) -> None:
        """Free the pipes and other resources; the process has ended."""


class HostProcess:
    """Run a process on this machine.

    The process has its own session, so Ctrl-C reaches only the parent, which then ends it. When the
    parent is killed, the pipe closes and the process ends by itself.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._oom_kills = oom_kills()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env=env,
                start_new_session=True,
            )
        except OSError as error:
            self._stderr.close()
            raise BackendError(
                f"{command[0]}: the process cannot be started ({error.strerror})",
                action="check whether memory or the number of processes is exhausted",
            ) from None

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    @property
    def stdin(self) -> IO[bytes]:
        """Return the pipe that the process reads."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Return the pipe that the process writes."""
        assert self._process.stdout is not None
        return self._process.stdout

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code (a negative signal number), None while it runs."""
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()

    def said(self) -> str:
        """Return what the process wrote to stderr."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace").strip()

    def out_of_memory(self) -> bool | None:
        """Tell whether the kernel killed a process for lack of memory since; None if unknown."""
        now = oom_kills()
        return None if now is None or self._oom_kills is None else now > self._oom_kills

    def lost(self) -> DeviceError | None:
        """Return None: this machine is here."""
        return None

    def close(self) -> None:
        """Free the pipes and other resources; the process has ended."""
        for pipe in (self.stdin, self.stdout):
            with suppress(OSError):
                pipe.close()
        self._stderr.close()


def oom_kills(root: Path = Path("/")) -> int | None:
    """Return how many processes the kernel has killed for lack of memory; None where unknown.

    The count is that of the whole machine and, with cgroup v2, of this process's own group.
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


_SIGNALS = {
    "SIGABRT": "the runtime gave up",
    "SIGSEGV": "the runtime or one of the model's operators is broken",
    "SIGILL": "the runtime was built for another processor",
    "SIGBUS": "a mapped file became shorter, or memory is faulty",
}


class End(NamedTuple):
    """Say why a process ended, and whether that was for lack of memory."""

    why: str
    out_of_memory: bool


def end_of(process: Process, code: int) -> End:
    """Return what probably ended a process, from its exit code and its last messages."""
    name = {known.value: known.name for known in signal.Signals}.get(-code, "")
    exit_text = f"signal {-code}" if code < 0 else f"exit code {code}"
    exit_text += f", {name}" if name else ""
    said = process.said()
    if name == "SIGKILL":
        killed = _killed(process, said)
        return End(f"{exit_text}: {killed.why}", killed.out_of_memory)
    if is_lack_of_memory(said):
        return End(f"{exit_text}: {RAN_OUT}", code != 0)
    return End(f"{exit_text}: {_SIGNALS[name]}" if name in _SIGNALS else exit_text, False)


def _killed(process: Process, said: str) -> End:
    """Return why a process was killed; no guess counts as lack of memory.

    A control group counts the processes in it that were killed, and says so at their end. A
    machine's count is of all its processes: only a process that had taken most of the memory that
    it could have is taken for the one that was killed.
    """
    ran_out = next((line for line in said.splitlines() if line.startswith(RAN_OUT)), "")
    if ran_out:
        return End(f"the kernel killed it because {ran_out}", True)
    if is_in_group(said):
        return End("killed from outside; its control group counts no lack of memory", False)
    counted = process.out_of_memory()
    if counted is None:
        return End("killed, as the kernel does when memory runs out", False)
    if not counted:
        outside = "killed from outside; the kernel counts no process killed for lack of memory"
        return End(outside, False)
    if was_near_limit(said):
        return End(f"the kernel killed it because {RAN_OUT}", True)
    return End(
        "killed; the kernel killed a process of the machine for lack of memory meanwhile, but this"
        " one had not taken most of what was free",
        False,
    )

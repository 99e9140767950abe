"""A device's POSIX shell: what differs between the transports that reach one over a wire."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO, Protocol

from runtimes.errors import DeviceError
from runtimes.process import Process

CALL_S = 60.0
"""How long the device may take for a few commands; an emulated board starts one in 30 ms."""

_SAYS_PID = "edgepress: process "
_NO_FOLDER = 73
"""What a command exits with whose folder is gone; Python exits with no such number by itself."""


class Shell(Protocol):
    """Start commands in a device's POSIX shell, through one client program on this machine."""

    @property
    def name(self) -> str:
        """Return how messages name the device."""

    def start(self, command: str) -> Process:
        """Start a command line; raise DeviceError when the device cannot be reached."""

    def lost(self, code: int, said: str) -> DeviceError | None:
        """Return the error of a client that ended because its device was gone; None if not.

        `code` is the client's exit code and `said` what it wrote to stderr.
        """


def call(
    shell: Shell,
    script: str,
    *,
    seconds: float = CALL_S,
    write: Callable[[IO[bytes]], None] | None = None,
) -> tuple[int, str, str]:
    """Run a script in the device's shell; return its exit code, its output and its messages.

    `write` sends what the script reads from stdin. Without it, the script itself is sent there, so
    that it may be of any length. Raises DeviceError when the device is gone, or too slow.
    """
    process = shell.start(in_sh(script) if write else "exec sh -s")
    late = threading.Event()
    watchdog = threading.Timer(seconds, _stop, (process, late))
    watchdog.daemon = True
    watchdog.start()
    try:
        sender = threading.Thread(
            target=_send, args=(process, write or _writes(script)), daemon=True
        )
        sender.start()
        output = process.stdout.read()
        sender.join()
        code = process.wait(seconds)
        said = process.said()
    finally:
        watchdog.cancel()
        process.close()
    if late.is_set() or code is None:
        raise DeviceError.of(
            shell.name,
            f"no answer within {seconds:g} s",
            action="check the connection and the device's load; then try again",
        )
    if lost := shell.lost(code, said):
        raise lost
    return code, output.decode(errors="replace"), said


def _writes(script: str) -> Callable[[IO[bytes]], None]:
    def write(stdin: IO[bytes]) -> None:
        stdin.write(script.encode())

    return write


def _send(process: Process, write: Callable[[IO[bytes]], None]) -> None:
    with suppress(OSError, ValueError):  # the process ended first; its exit code says why
        write(process.stdin)
    with suppress(OSError, ValueError):
        process.stdin.close()


def _stop(process: Process, late: threading.Event) -> None:
    late.set()
    process.kill()


def in_sh(script: str) -> str:
    """Return a command line that runs a script by the POSIX shell, whatever shell reads it."""
    return f"exec sh -c {shlex.quote(script)}"


def started_in(folder: PurePosixPath, command: Sequence[str], env: Mapping[str, str]) -> str:
    """Return the command line of a process that works in a folder and says its id on stderr.

    A shell waits for it, and says by its exit code how it ended: ssh and adb do not tell a command
    that a signal ended from a broken connection.
    """
    words = ["env", *(f"{name}={value}" for name, value in env.items()), *command]
    return in_sh(
        f"cd {shlex.quote(str(folder))} || exit {_NO_FOLDER}\n"
        "exec 3<&0\n"  # a process in the background has no stdin unless it is given one
        f"{shlex.join(words)} <&3 3<&- &\n"
        f'echo "{_SAYS_PID}$!" >&2; exec 3<&- </dev/null; wait $!'
    )


def _unstartable(name: str, code: int, said: str) -> DeviceError | None:
    """Return the error of a command that the device's shell could not start (POSIX: 126, 127)."""
    if code == _NO_FOLDER:
        return DeviceError.of(
            name,
            "its folder was deleted meanwhile",
            action="run the command again; `edgepress device clean --break-lock` deletes it too",
        )
    if code not in (126, 127):
        return None
    last = said.splitlines()[-1] if said else "it said nothing"
    foreign = "Exec format error" in said or "Illegal instruction" in said
    return DeviceError.of(
        name,
        "Python cannot be started there: "
        + ("it was built for another processor" if foreign else "it is not there"),
        said=last,
        action="run `edgepress device setup` or `edgepress device pack` again",
    )


class RemoteProcess:
    """Be a process on a device; its client here carries the pipes.

    When the client is gone, the device closes the process's stdin, which ends a measuring process.
    """

    def __init__(
        self,
        shell: Shell,
        client: Process,
        ran_out: Callable[[], bool | None],
    ) -> None:
        self._shell = shell
        self._client = client
        self._ran_out = ran_out

    @property
    def stdin(self) -> IO[bytes]:
        """Return the pipe that the process reads."""
        return self._client.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Return the pipe that the process writes."""
        return self._client.stdout

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; return the exit code (a negative signal number), None while it runs."""
        code = self._client.wait(seconds)
        # A shell says 128 + n of a command that signal n ended.
        return 128 - code if code is not None and 128 < code < 192 else code

    def kill(self) -> None:
        """Kill the process on the device, then its client."""
        pid = self._pid()
        if pid is not None:
            with suppress(DeviceError):
                call(self._shell, f"kill -9 {pid}", seconds=5)
        self._client.kill()

    def said(self) -> str:
        """Return what the process wrote to stderr."""
        lines = self._client.said().splitlines()
        return "\n".join(line for line in lines if not line.startswith(_SAYS_PID))

    def out_of_memory(self) -> bool | None:
        """Tell whether the device killed a process for lack of memory since; None if unknown."""
        return self._ran_out()

    def lost(self) -> DeviceError | None:
        """Return the error of a process whose device is gone, or cannot start it; else None."""
        code, said = self._client.wait(0), self.said()
        if code is None:
            return None
        return self._shell.lost(code, said) or _unstartable(self._shell.name, code, said)

    def close(self) -> None:
        """Free the pipes and other resources; the process has ended."""
        self._client.close()

    def _pid(self) -> int | None:
        for line in self._client.said().splitlines():
            if line.startswith(_SAYS_PID):
                number = line.removeprefix(_SAYS_PID).strip()
                return int(number) if number.isdigit() else None
        return None

"""The program on this machine that reaches a device: whether it is here, what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import IO, NamedTuple

from runtimes.errors import DeviceError
from runtimes.process import HostProcess


class Failure(NamedTuple):
    """Say what went wrong where a client's messages hold one of the `patterns`.

    `{host}` in `action` is the device's name.
    """

    patterns: tuple[str, ...]
    why: str
    action: str


class Answer(NamedTuple):
    """Hold what a short command of the client ended with."""

    code: int
    output: str
    said: str


def installed(program: str, *, action: str, expected: str | None = None) -> str:
    """Return a client's path; raise DeviceError, saying how to install it, without one."""
    found = shutil.which(program)
    if found is None:
        raise DeviceError(
            f"{program} is not installed on this machine",
            expected=expected,
            action=action,
            reason=f"{program} is not installed on the machine that measures",
        )
    return found


def ask(command: Sequence[str], name: str, *, seconds: float, action: str) -> Answer:
    """Run a short command of a client, which messages call `name`.

    Raises DeviceError where it cannot be started or does not end in time.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceError(
            f"`{name}` does not work ({type(error).__name__})", action=action
        ) from None
    output, said = (text.decode(errors="replace").strip() for text in (done.stdout, done.stderr))
    return Answer(done.returncode, output, said)


def hold(
    command: Sequence[str], greeted: Callable[[IO[bytes]], bool], *, seconds: float
) -> tuple[HostProcess, bool]:
    """Start a client that holds a connection until its stdin closes; tell whether it greeted.

    It ends with this process too, however that ends: nothing is left on either side.
    """
    client = HostProcess(command, dict(os.environ))
    watchdog = threading.Timer(seconds, client.kill)
    watchdog.daemon = True
    watchdog.start()
    came = greeted(client.stdout)
    watchdog.cancel()
    if not came:
        client.wait(5)
    return client, came


def release(client: HostProcess, *, seconds: float) -> None:
    """End a client that holds a connection, by force where it takes longer."""
    if client.wait(0) is None:
        client.stdin.close()
        if client.wait(seconds) is None:
            client.kill()
    client.close()


def failure_of(
    host: str, said: str, last: str, known: Iterable[Failure], other: Failure
) -> DeviceError:
    """Translate what a client `said`, of which `last` is shown; `other` is any unknown failure."""
    found = next((one for one in known if any(text in said for text in one.patterns)), other)
    return DeviceError.of(host, found.why, said=last, action=found.action.format(host=host))

"""A device that the system's ssh reaches: its configuration, keys and known hosts apply."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, ClassVar

from profiles.device import TransportSettings
from profiles.transport.client import Failure, failure_of, hold, installed, release
from profiles.transport.remote import Remote, expanded
from runtimes.errors import DeviceError
from runtimes.process import HostProcess

_HELLO = b"edgepress is connected\n"
_CONNECT_S = 20
_CLIENT_FAILED = 255
"""What ssh exits with when the connection, and not the command, failed."""

_OPTIONS = {
    "BatchMode": "yes",  # never ask a question: nobody may be there to answer
    "StrictHostKeyChecking": "yes",
    "ConnectTimeout": str(_CONNECT_S),
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "3",
    "ControlMaster": "no",
    "ControlPersist": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",  # a port that the user's own session forwards is taken
    "RemoteCommand": "none",
    "LogLevel": "ERROR",
}


class Ssh(Remote):
    """Reach the host that ssh knows by this name."""

    kind: ClassVar[str] = "ssh"
    clients: ClassVar[tuple[str, ...]] = ("ssh",)

    def open_shell(self) -> SshShell:
        """Connect once; later commands share the connection."""
        return SshShell(self.settings)


class SshShell:
    """Hold one connection; each command is a channel of it."""

    def __init__(self, settings: TransportSettings) -> None:
        self._host = expanded(
            settings, "a destination of ssh: name, user@name or ssh://user@name:port"
        )
        self._folder = tempfile.mkdtemp(prefix="ep-")  # a socket's path may have 100 bytes
        program = installed(
            "ssh",
            expected="OpenSSH's client",
            action="install it: openssh-client on Debian and Ubuntu",
        )
        self._command = [program, *_options(settings, Path(self._folder, "s"))]
        self._master = self._connected()
        self._end = weakref.finalize(self, _disconnect, self._master, self._folder)

    @property
    def name(self) -> str:
        """Return the host's name."""
        return self._host

    def start(self, command: str) -> _Command:
        """Start a command in the user's login shell there.

        A broken connection is not made anew: the device's lock ended with it.
        """
        if self._master.wait(0) is not None:
            raise _failure(self._host, self._master.said())
        return _Command([*self._command, "--", self._host], command)

    def lost(self, code: int, said: str) -> DeviceError | None:
        """Return the error of a connection that failed or broke."""
        return _failure(self._host, said) if code == _CLIENT_FAILED else None

    def close(self) -> None:
        """Disconnect."""
        self._end()

    def _connected(self) -> HostProcess:
        """Start the client that holds the connection."""
        words = [
            *(*self._command, "-M", "--", self._host),
            _in_any_shell(f"echo {_HELLO.decode().strip()}; exec cat"),
        ]
        master, greeted = hold(words, _greeted, seconds=2 * _CONNECT_S)
        if greeted:
            return master
        said = master.said()
        _disconnect(master, self._folder)
        raise _failure(self._host, said)


class _Command(HostProcess):
    """Run a command in the user's login shell there, whatever shell it is and whatever it prints.

    A startup file that prints (a `.bashrc` with `echo`) does so before every command.
    """

    def __init__(self, client: Sequence[str], command: str) -> None:
        words = _in_any_shell(f"echo {_HELLO.decode().strip()}\n{command}")
        super().__init__([*client, words], dict(os.environ))
        self._past_greeting = False

    @property
    def stdout(self) -> IO[bytes]:
        """Return the pipe that the command writes; what came before it is read away."""
        pipe = super().stdout
        if not self._past_greeting:
            self._past_greeting = True
            _greeted(pipe)
        return pipe


def _greeted(pipe: IO[bytes]) -> bool:
    """Read up to the line that says that our command runs; tell whether it came."""
    return any(line.endswith(_HELLO) for line in iter(pipe.readline, b""))


def _in_any_shell(script: str) -> str:
    """Return a command line that csh, fish and the POSIX shells all give to `sh` unchanged.

    csh ends a quoted word at a newline and replaces `!` in it; fish reads `\\` in it as one.
    """
    unsafe = r"""[\x00-\x1f'"!$`\\]"""
    safe = re.sub(unsafe, lambda match: f"\\0{ord(match[0]):03o}", script)
    return f"""exec sh -c 'eval "$(printf %b "{safe}")"'"""


def _disconnect(master: HostProcess, folder: str) -> None:
    release(master, seconds=2)
    shutil.rmtree(folder, ignore_errors=True)


def _options(settings: TransportSettings, socket: Path) -> list[str]:
    config = ["-F", str(Path(settings.config).expanduser())] if settings.config else []
    options = [f"-o{name}={value}" for name, value in _OPTIONS.items()]
    return [*config, "-T", "-S", str(socket), *options]


_FAILURES = (
    Failure(
        (
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            "Host key verification failed",
            "host key is known",
        ),
        "its host key is not the known one",
        "ask for the device's key, then run `ssh {host}` once and compare; a changed key may be"
        " another machine's",
    ),
    Failure(
        ("Permission denied", "Too many authentication failures"),
        "it accepts no key of this user",
        "put your public key there: `ssh-copy-id {host}`; ssh-agent or IdentityFile names the key",
    ),
    Failure(
        ("Could not resolve hostname", "Name or service not known"),
        "no such host name",
        "check the name: `ssh {host}`",
    ),
    Failure(
        ("Connection refused", "No route to host", "Network is unreachable", "timed out"),
        "it does not answer",
        "check that the device is on and its ssh server runs: `ssh {host}`",
    ),
    Failure(
        ("Bad configuration option", "Can't open user config file", "terminating,"),
        "ssh's configuration cannot be used",
        "correct it: `ssh {host}`",
    ),
)
_BROKE = Failure(
    (),
    "the connection broke",
    "check the device and the network: `ssh {host}`; then run the command again",
)


def _failure(host: str, said: str) -> DeviceError:
    """Translate what ssh said of a connection that failed."""
    lines = [line.strip() for line in said.splitlines() if line.strip(" @")]
    last = lines[-1][:200] if lines else "the connection broke"
    return failure_of(host, said, last, _FAILURES, _BROKE)

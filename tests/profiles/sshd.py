"""A real ssh server on loopback, for tests: it starts and ends with the test, and needs no root."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from profiles.device import DeviceProfile

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"

needs_sshd = pytest.mark.skipif(
    not Path(SSHD).exists() or not shutil.which("ssh"), reason="openssh-server is not installed"
)


_PROFILE = """schema = 1
name = "{name}"
[transport]
kind = "ssh"
host = "board"
config = "{config}"
folder = "{folder}"
[budgets]
artifact_mb = {{max = 5}}
"""


@dataclass
class Board:
    """Describe a server: the folder that stands for a board's home, and the way to reach it."""

    folder: Path
    port: int
    config: Path
    server: subprocess.Popen[bytes]

    @property
    def home(self) -> Path:
        """Return edgepress's folder on the board."""
        return self.folder / "home"

    def profile(self, **changes: object) -> DeviceProfile:
        """Return a profile that reaches the board."""
        transport = {"kind": "ssh", "host": "board", "config": str(self.config)}
        return DeviceProfile.model_validate(
            {
                "schema": 1,
                "name": "board",
                "transport": {**transport, "folder": str(self.home), **changes},
                "budgets": {"artifact_mb": {"max": 1}},
            }
        )

    @property
    def profile_file(self) -> Path:
        """Return the file of the profile that `write_profile` writes."""
        return self.folder / "board.toml"

    def write_profile(
        self, *, name: str = "board", folder: str | Path | None = None, more: str = ""
    ) -> Path:
        """Write a profile that reaches the board, for command lines; return its file."""
        text = _PROFILE.format(name=name, config=self.config, folder=folder or self.home)
        self.profile_file.write_text(text + more)
        return self.profile_file

    def give_python(self) -> None:
        """Let the board have this interpreter and its packages."""
        self.home.mkdir(exist_ok=True)
        (self.home / ".edgepress-device").touch()
        (self.home / "python").write_text(f'exec {sys.executable} "$@"\n')

    def connections(self) -> list[int]:
        """List the server's processes that serve a connection."""
        return [
            int(stat.parent.name)
            for stat in Path("/proc").glob("[0-9]*/stat")
            if _parent_of(stat) == self.server.pid
        ]

    def cut(self) -> None:
        """Break every connection; what it started goes on, as behind a pulled cable."""
        for pid in self.connections():
            for child in _descendants(pid):
                with suppress(OSError):
                    if Path(f"/proc/{child}/comm").read_text().startswith("sshd"):
                        os.kill(child, signal.SIGKILL)


@contextmanager
def serving(folder: Path, **options: str) -> Iterator[Board]:
    """Run a server whose keys and settings lie in `folder`; `options` are sshd's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("host_key", "user_key"):
        _keygen(folder / name)
    shutil.copy(folder / "user_key.pub", folder / "authorized")
    port = _free_port()
    settings = {
        "ListenAddress": "127.0.0.1",
        "Port": str(port),
        "HostKey": str(folder / "host_key"),
        "AuthorizedKeysFile": str(folder / "authorized"),
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        **options,
    }
    server_config = folder / "sshd_config"
    server_config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", server_config], stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield Board(folder, port, _client_config(folder, port), server)
    finally:
        server.terminate()
        server.wait()


def _client_config(folder: Path, port: int) -> Path:
    key_type, key = (folder / "host_key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key_type} {key}\n")
    config = folder / "ssh_config"
    config.write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n"
        f"  IdentityFile {folder / 'user_key'}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder / 'known_hosts'}\n"
    )
    return config


def _keygen(path: Path) -> None:
    path.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("sshd does not listen")


def _parent_of(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _descendants(pid: int) -> list[int]:
    children = [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if _parent_of(stat) == pid
    ]
    return [pid, *(below for child in children for below in _descendants(child))]

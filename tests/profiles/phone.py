"""A phone for tests: a daemon on loopback, the real adb client, and an adb server of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from profiles.device import DeviceProfile
from tests.profiles.adbd import Daemon

needs_adb = pytest.mark.skipif(not shutil.which("adb"), reason="adb is not installed")


@dataclass
class Phone:
    """Describe a device that an adb server of the test's own is connected to."""

    folder: Path
    daemon: Daemon
    env: dict[str, str] = field(default_factory=dict)

    @property
    def serial(self) -> str:
        """Return the serial number, as for every device by network."""
        return f"127.0.0.1:{self.daemon.port}"

    @property
    def home(self) -> Path:
        """Return edgepress's folder on the device."""
        return self.folder / "edgepress"

    def profile(self, **changes: object) -> DeviceProfile:
        """Return a profile that reaches the device."""
        transport = {"kind": "adb", "host": self.serial, "folder": str(self.home), **changes}
        return DeviceProfile.model_validate(
            {
                "schema": 1,
                "name": "phone",
                "transport": transport,
                "budgets": {"artifact_mb": {"max": 1}},
            }
        )

    def give_python(self) -> None:
        """Let the device have this interpreter and its packages."""
        self.home.mkdir(exist_ok=True)
        (self.home / ".edgepress-device").touch()
        (self.home / "python").write_text(f'exec {sys.executable} "$@"\n')

    def adb(self, *words: str) -> str:
        """Run the real client against the test's server."""
        done = subprocess.run(
            ["adb", *words], env=self.env, capture_output=True, timeout=30, check=False
        )
        return (done.stdout + done.stderr).decode()


def android_env(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return a shell and environment as near to Android's as this machine has packages.

    Android's shell is mksh and its commands are toybox; each stands in where it is installed.
    """
    commands = folder / "bin"
    commands.mkdir(parents=True, exist_ok=True)
    shell = shutil.which("mksh") or "/bin/sh"
    (commands / "sh").symlink_to(shell)
    toybox = shutil.which("toybox")
    if toybox:
        names = subprocess.run([toybox], capture_output=True, check=True).stdout.decode().split()
        for name in {*names} - {"sh", "["}:
            (commands / name).symlink_to(toybox)
    path = str(commands) if toybox else os.defpath
    return [str(commands / "sh")], {"PATH": path, "TMPDIR": str(folder), "HOME": "/"}


@contextmanager
def attached(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    connect: bool = True,
    userland: tuple[list[str], dict[str, str]] | None = None,
    state: str = "device",
    features: str = "shell_v2,cmd",
) -> Iterator[Phone]:
    """Run a daemon and an adb server of the test's own, and connect them.

    The server listens on a free port, so a user's server is never touched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    daemon = Daemon(*(userland or android_env(folder)), state=state, features=features)
    with _server(monkeypatch) as env:
        phone = Phone(folder, daemon, env)
        try:
            if connect:
                phone.adb("connect", phone.serial)
            yield phone
        finally:
            daemon.close()


@contextmanager
def _server(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="ep-adb-") as home:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", port)
        monkeypatch.delenv("ADB_SERVER_SOCKET", raising=False)
        # It looks for emulators up to this port, and writes keys and a log below these folders.
        own = {"ADB_LOCAL_TRANSPORT_MAX_PORT": "5554", "HOME": home, "TMPDIR": home}
        env = {**os.environ, **own}
        server = subprocess.Popen(
            ["adb", "server", "nodaemon"], env=env, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            _wait_for(int(port))
            yield env
        finally:
            server.terminate()
            server.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("the adb server does not listen")

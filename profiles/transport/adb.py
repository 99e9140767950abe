"""An Android device that the system's adb reaches, by USB or network.

The adb client talks to a server on this machine, which it starts when none runs. The server stays,
as with every use of adb: others may have begun to use it, two phones of one run among them. A
server of another version is left alone too, though the client would end it.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import ClassVar, NamedTuple

from profiles.device import TransportSettings
from profiles.transport.client import ask, installed
from profiles.transport.remote import Remote, expanded
from profiles.transport.saying import CUT, SayingProcess
from runtimes.errors import DeviceError

_CLIENT_S = 30
_SETTLE_S = 3


class Adb(Remote):
    """Reach the device of a serial number, or the only one that is attached."""

    kind: ClassVar[str] = "adb"
    needs_host: ClassVar[bool] = False
    clients: ClassVar[tuple[str, ...]] = ("adb",)
    usual_folder: ClassVar[str] = "/data/local/tmp/edgepress"

    def open_shell(self) -> AdbShell:
        """Find the device; raise DeviceError when it is not ready."""
        return AdbShell(self.settings)


class AdbShell:
    """Start each command by one client; the server holds the connection."""

    def __init__(self, settings: TransportSettings) -> None:
        self._adb = _client()
        attached = _settled(self._adb)
        if settings.host:
            self._serial = expanded(settings, "a serial number that `adb devices` lists")
        else:
            self._serial = _only(attached)
        if failure := _not_ready(self._serial, attached):
            raise failure
        _needs_shell_v2(self._adb, self._serial)

    @property
    def name(self) -> str:
        """Return the serial number."""
        return self._serial

    def start(self, command: str) -> SayingProcess:
        """Start a command in the device's shell."""
        # The client exits with 0 when the device vanishes.
        return SayingProcess([self._adb, "-s", self._serial, "shell", "-T"], command)

    def lost(self, code: int, said: str) -> DeviceError | None:
        """Return the error of a command that the device did not end."""
        if code != CUT:
            return None
        try:
            now = _not_ready(self._serial, _attached(self._adb))
        except DeviceError as error:
            now = error
        last = said.splitlines()[-1][:200] if said else "adb said nothing"
        return DeviceError.of(
            self._serial,
            "the connection broke",
            said=last,
            available=now.received if now else "the device is back",
            action=now.action if now else "run the command again; check the cable if it recurs",
        )


class _Attached(NamedTuple):
    """Hold what `adb devices` says of one device."""

    serial: str
    state: str


def _client() -> str:
    """Return the path of adb; raise DeviceError without one or with a server of another version."""
    found = installed(
        "adb",
        expected="Android's platform tools",
        action="install them: the package adb on Debian and Ubuntu, android-platform-tools in"
        " Homebrew, or Google's download",
    )
    server = _server_version(os.environ)
    if server is not None:
        version = re.search(r"version \d+\.\d+\.(\d+)", _answer(found, "version"))
        if version and int(version[1]) != server:
            raise DeviceError(
                f"the adb server that runs here has version {server}; {found} has {version[1]}",
                expected="the same version: the client would end the server that others use",
                action="run `adb kill-server` if nobody needs it, or put the other adb first in"
                " PATH",
            )
    return found


def _server_version(env: Mapping[str, str]) -> int | None:
    """Ask a server on this machine for its version; None where none answers there.

    Source: AOSP packages/modules/adb, SERVICES.TXT (`host:version`).
    """
    if "ADB_SERVER_SOCKET" in env:
        return None  # the user arranged a server of their own
    address = env.get("ANDROID_ADB_SERVER_ADDRESS", "127.0.0.1")
    port = env.get("ANDROID_ADB_SERVER_PORT", "5037")
    with suppress(OSError, ValueError), socket.create_connection((address, int(port)), 2) as server:
        server.settimeout(2)
        server.sendall(b"000chost:version")
        answer = server.makefile("rb").read(12)
        if answer.startswith(b"OKAY0004"):
            return int(answer[8:], 16)
    return None


def _answer(adb: str, *words: str) -> str:
    """Return what a short adb command prints; raise DeviceError when it fails."""
    name = f"adb {words[-1]}"
    by_hand = "run it by hand; `adb kill-server` and a new cable help often"
    code, output, said = ask([adb, *words], name, seconds=_CLIENT_S, action=by_hand)
    if code:
        last = said.splitlines()[-1] if said else f"exit code {code}"
        raise DeviceError(f"`{name}` failed ({last[:200]})", action="run `adb devices` by hand")
    return output


def _attached(adb: str) -> list[_Attached]:
    """List the attached devices with their states; this starts the server where none runs."""
    rows = [line.split(maxsplit=1) for line in _answer(adb, "devices").splitlines()]
    # The first line is a title, and "no permissions" is a state of several words.
    return [_Attached(row[0], row[1]) for row in rows if len(row) == 2 and row[0] != "List"]


def _settled(adb: str) -> list[_Attached]:
    """List the attached devices; give one that was just connected a moment to say its state."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        attached = _attached(adb)
        passing = any(row.state in ("authorizing", "connecting", "offline") for row in attached)
        if not passing or time.monotonic() > deadline:
            return attached
        time.sleep(0.2)


def _only(attached: list[_Attached]) -> str:
    """Return the serial number of the only device; raise DeviceError where that is not clear."""
    if len(attached) == 1:
        return attached[0].serial
    if not attached:
        raise DeviceError(
            "no Android device is attached",
            reason="no Android device is attached",
            expected="one that `adb devices` lists",
            action="connect it by a USB cable that carries data and switch on USB debugging in its"
            " developer options; `adb connect HOST:PORT` reaches one by network",
        )
    raise DeviceError(
        f"{len(attached)} Android devices are attached, and the profile names none",
        available=_listed(attached),
        action="name one in a copy of the profile: [transport] host = its serial number",
    )


_STATES = {
    "unauthorized": (
        "it does not trust this machine yet",
        "unlock it and allow USB debugging in the dialog; without a dialog, revoke USB debugging"
        " authorizations in its developer options and connect it again",
    ),
    "offline": (
        "it does not answer",
        "unlock it, connect it again, or run `adb reconnect offline`",
    ),
    "no permissions": (
        "this user may not open its USB port",
        "install udev rules for it (android-sdk-platform-tools-common on Debian and Ubuntu), join"
        " the group plugdev, and connect it again",
    ),
}


def _not_ready(serial: str, attached: list[_Attached]) -> DeviceError | None:
    """Return the error of a device that takes no commands; None of one that does."""
    state = next((row.state for row in attached if row.serial == serial), None)
    if state == "device":
        return None
    if state is None:
        return DeviceError.of(
            serial,
            "not attached",
            available=_listed(attached),
            action=f"run `adb connect {serial}`"
            if re.search(r":\d+$", serial)
            else "connect it and unlock it; `adb devices` lists the serial numbers",
        )
    for known, (why, action) in _STATES.items():
        if state.startswith(known):
            return DeviceError.of(serial, why, said=state, action=action)
    return DeviceError.of(
        serial,
        f"it is in state {state!r}",
        expected="state 'device': Android has started",
        action="wait until it has started; `adb devices` shows the state",
    )


def _listed(attached: list[_Attached]) -> str:
    return ", ".join(f"{row.serial} ({row.state})" for row in attached) or "no device"


def _needs_shell_v2(adb: str, serial: str) -> None:
    if "shell_v2" not in _answer(adb, "-s", serial, "features").split():
        raise DeviceError.of(
            serial,
            "its shell gives no exit codes and mixes the output with the messages",
            expected="adb's shell protocol 2: Android 7 or newer",
            action="use a newer device",
        )

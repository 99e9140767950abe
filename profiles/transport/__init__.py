"""Transports: how a device is reached, one module each."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from profiles.device import DeviceProfile, TransportSettings
from profiles.probe import matches
from runtimes.errors import DeviceError, suggest
from runtimes.facts import probe
from runtimes.registry import Registry

if TYPE_CHECKING:
    from runtimes.facts import Facts
    from runtimes.process import Process

TRANSPORTS = Registry(
    "transport",
    {
        "local": "profiles.transport.local:Local",
        "ssh": "profiles.transport.ssh:Ssh",
        "emulated": "profiles.transport.emulated:Emulated",
        "adb": "profiles.transport.adb:Adb",
        "docker": "profiles.transport.docker:Docker",
    },
    "edgepress.transports",
)


class Transport(Protocol):
    """Reach a device: bring files there, run processes there, bring files back.

    A Job decides what is measured, over any transport. `here` says that the device is the machine
    that edgepress runs on, so both share one clock. `needs_host` says that a profile must name one.
    `clients` are programs of which this machine needs one to reach a device; none where it needs no
    program.
    """

    kind: ClassVar[str]
    here: ClassVar[bool]
    needs_host: ClassVar[bool]
    clients: ClassVar[tuple[str, ...]]
    settings: TransportSettings

    def __init__(self, settings: TransportSettings) -> None:
        """Take the settings; connect only when the device is first used."""

    @property
    def python(self) -> tuple[str, ...]:
        """Return the command that starts the device's Python, with numpy and a runtime in it."""

    def put(self, path: Path) -> str:
        """Return the path of a file or folder on the device; copy it there if its content is new.

        The returned path ends with the original name. Every process asks again, so files that are
        already there must be recognized quickly.
        """

    def run(self, command: Sequence[str], *, env: Mapping[str, str]) -> Process:
        """Start a process on the device, with `env` added to its environment.

        Raises BackendError when it cannot be started, DeviceError when the device cannot be
        reached.
        """

    def get(self, place: str, target: Path) -> None:
        """Copy a file or folder of the device to `target`; raise DeviceError without one."""

    def facts(self) -> Facts:
        """Probe the device's hardware."""

    def lock(self) -> AbstractContextManager[str]:
        """Keep other jobs from the device; yield whose stale lock was taken, empty if nobody's.

        Raises DeviceError while another job holds it.
        """


def reach(profile: DeviceProfile) -> Transport:
    """Return the transport to a profile's device; raise DeviceError if it cannot be reached.

    No connection is made yet.
    """
    settings = settings_of(profile)
    if settings is None:
        raise _unreachable(profile)
    transport: Transport = TRANSPORTS.resolve(settings.kind)(settings)
    return transport


def settings_of(profile: DeviceProfile) -> TransportSettings | None:
    """Return how a profile's device is reached; None where this version or setting cannot do it.

    On the device itself no connection is needed: `local` replaces a missing transport there.
    """
    if not _why_unset(profile):
        return profile.transport
    return TransportSettings() if _is_this_machine(profile) else None


def why_unreachable(profile: DeviceProfile) -> str:
    """Say why a profile's device cannot be reached, without connecting; empty if it may be.

    The settings are looked at, and whether this machine has the program that connects.
    """
    return _why_unset(profile) or _why_no_client(profile.transport.kind)


def _why_no_client(kind: str) -> str:
    clients: tuple[str, ...] = TRANSPORTS.resolve(kind).clients
    if not clients or any(shutil.which(name) for name in clients):
        return ""
    return f"it is reached by {kind!r}, and {clients[0]} is not installed on this machine"


def _why_unset(profile: DeviceProfile) -> str:
    """Say why a profile's device cannot be reached by the settings alone."""
    kind = profile.transport.kind
    if kind not in TRANSPORTS:
        return f"it is reached by {kind!r}, which this version cannot do"
    if unset := profile.transport.unset:
        return f"it is reached by {kind!r}, and the variable {unset[0]} is not set"
    if profile.transport.host is None and TRANSPORTS.resolve(kind).needs_host:
        return f"it is reached by {kind!r}, and the profile names no host"
    return ""


def _unreachable(profile: DeviceProfile) -> DeviceError:
    kind, unset = profile.transport.kind, profile.transport.unset
    near = suggest(kind, TRANSPORTS)
    here = (
        "run edgepress on the device itself, with a copy of the profile that says\n"
        '             [transport] kind = "local"'
    )
    if kind not in TRANSPORTS:
        action = f"did you mean {near!r}?" if near else here
    elif unset:
        action = f"export {unset[0]}=…, or name the host in a copy of the profile; or {here}"
    else:
        action = f"add host to the profile's [transport]; or {here}"
    return DeviceError(
        f"profile {profile.name!r}: {_why_unset(profile)}",
        available=", ".join(TRANSPORTS),
        action=action,
    )


def why_elsewhere(profile: DeviceProfile, reached: Transport) -> str:
    """Say why the reached device is not the profile's; empty where it may be the same.

    Verdicts are published: no host is named.
    """
    settings = settings_of(profile)
    if settings is None:
        return f"{_why_unset(profile)}; what is measured is reached by {reached.kind!r}"
    if settings == reached.settings:
        return ""
    return (
        f"its device is reached by {settings.kind!r};"
        f" what is measured is another, reached by {reached.kind!r}"
    )


def _is_this_machine(profile: DeviceProfile) -> bool:
    """Tell whether this machine is the profile's by name, not only by its instruction set."""
    return profile.match.names_device and matches(profile, probe())[0]

"""How a device is reached: one module a transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from profiles.device import DeviceProfile
from runtimes.errors import DeviceError
from runtimes.registry import Registry

if TYPE_CHECKING:
    from runtimes.facts import Facts
    from runtimes.measure import MeasurePlan, Samples, Variant

TRANSPORTS = Registry("transport", {"local": "profiles.transport.local:Local"})


class Transport(Protocol):
    """Look at a device and measure on it."""

    kind: ClassVar[str]

    def facts(self) -> Facts:
        """Probe the device's hardware."""

    def measure(
        self,
        variants: Sequence[Variant],
        texts: Sequence[str],
        plan: MeasurePlan,
        *,
        advance: Callable[[int, str], None],
        stream: Path | None,
    ) -> dict[str, Samples]:
        """Measure the variants there, interleaved, and bring their samples back."""


def reach(profile: DeviceProfile) -> Transport:
    """Return the transport to a profile's device; raise DeviceError when there is none.

    On the device itself no wire is needed: there, `local` stands in for what is missing.
    """
    kind = profile.transport.kind
    if kind not in TRANSPORTS and _is_this_machine(profile):
        kind = "local"
    if kind not in TRANSPORTS:
        raise DeviceError(
            f"profile {profile.name!r} is reached by {kind!r}, which this version cannot do",
            available=", ".join(TRANSPORTS),
            action="run edgepress on the device itself, with a copy of the profile that says\n"
            '             [transport] kind = "local"',
        )
    transport: Transport = TRANSPORTS.resolve(kind)()
    return transport


def _is_this_machine(profile: DeviceProfile) -> bool:
    """Tell whether this machine is the profile's by name, not just by its instruction set."""
    from profiles.probe import matches
    from runtimes.facts import probe

    named = any(value is not None for _, value in profile.match)
    return named and matches(profile, probe())[0]

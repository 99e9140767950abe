"""The arm64 cores that are emulated: what Linux shows of each, and which cores they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from profiles.device import DeviceProfile
from profiles.transport.emulated import CPUS
from runtimes.errors import UnsupportedError


class Core(NamedTuple):
    """Describe a core as /proc/cpuinfo shows it."""

    part: str
    variant: str
    revision: int
    features: str


CORES: Mapping[str, Core] = {
    "cortex-a53": Core("0xd03", "0x0", 4, "fp asimd evtstrm crc32 cpuid"),
    "cortex-a72": Core("0xd08", "0x0", 3, "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": Core(
        *("0xd0b", "0x4", 1),
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp",
    ),
    "neoverse-n1": Core(
        *("0xd0c", "0x3", 1),
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
        "dcpop asimddp ssbs",
    ),
}
"""The cores of the emulator's whitelist. Those of the Raspberry Pi 3 and 4 have no AES."""

_STANDS_FOR = {
    "cortex-a53": "cortex-a53",
    "cortex-a72": "cortex-a72",
    "cortex-a76": "cortex-a76",
    "cortex-a78": "cortex-a76",
    "neoverse-n1": "neoverse-n1",
}
"""A real core, and the emulated one with the same instructions for inference (dotprod or none)."""


def core_for(profile: DeviceProfile) -> str:
    """Return the emulated core for a profile's first, fastest core.

    Raises UnsupportedError where none has the same instructions.
    """
    hardware = profile.hardware
    named = hardware.cores[0].core if hardware.cores else "no core"
    core = _STANDS_FOR.get(named)
    if hardware.arch == "aarch64" and core is not None:
        has = set(CORES[core].features.split())
        lacks = sorted(set(hardware.isa) - has) + [
            f"no {f}" for f in hardware.isa_absent if f in has
        ]
        if not lacks:
            return core
    raise UnsupportedError(
        f"profile {profile.name}: {named} ({hardware.arch or 'any architecture'}) is not emulated",
        expected=f"arm64 with the instructions of one of {', '.join(CPUS)}",
        available=f"instructions of the profile: {', '.join(hardware.isa) or 'none named'}",
        action="measure on the device itself",
    )


def cpuinfo(core: str, count: int) -> str:
    """Return /proc/cpuinfo of a board with so many of a core, as its kernel writes it."""
    shown = CORES[core]
    one = (
        "processor\t: {number}\n"
        "BogoMIPS\t: 108.00\n"
        f"Features\t: {shown.features}\n"
        "CPU implementer\t: 0x41\n"
        "CPU architecture: 8\n"
        f"CPU variant\t: {shown.variant}\n"
        f"CPU part\t: {shown.part}\n"
        f"CPU revision\t: {shown.revision}\n"
    )
    return "\n".join(one.format(number=number) for number in range(count)) + "\n"


def midr(core: str) -> str:
    """Return a core's MIDR_EL1 as Linux shows it: its maker, its part and its revision."""
    shown = CORES[core]
    variant, part = int(shown.variant, 16), int(shown.part, 16)
    return f"0x{0x41 << 24 | variant << 20 | 0xF << 16 | part << 4 | shown.revision:016x}\n"

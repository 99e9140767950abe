"""The clusters of equal cores that a machine has, and a name's cores: big, little, cortex-a76."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_ARM_PARTS = {
    "0xd03": "cortex-a53",
    "0xd04": "cortex-a35",
    "0xd05": "cortex-a55",
    "0xd07": "cortex-a57",
    "0xd08": "cortex-a72",
    "0xd09": "cortex-a73",
    "0xd0a": "cortex-a75",
    "0xd0b": "cortex-a76",
    "0xd0c": "neoverse-n1",
    "0xd0d": "cortex-a77",
    "0xd40": "neoverse-v1",
    "0xd41": "cortex-a78",
    "0xd42": "cortex-a78ae",
    "0xd44": "cortex-x1",
    "0xd46": "cortex-a510",
    "0xd47": "cortex-a710",
    "0xd48": "cortex-x2",
    "0xd49": "neoverse-n2",
    "0xd4f": "neoverse-v2",
}
"""Part numbers of implementer 0x41 (Arm), from the cores' technical reference manuals."""

BIG, LITTLE = "big", "little"
_X86_KINDS = {"cpu_core": "p-core", "cpu_atom": "e-core"}
"""The kernel's folders of a hybrid x86 processor's cores, and Intel's names of them."""


@dataclass(frozen=True)
class Cluster:
    """Hold equal cores: their name, their numbers and their highest clock.

    `capacity` is the kernel's figure for the work that one of them does, 1024 for the largest core.
    """

    core: str
    cpus: tuple[int, ...]
    max_mhz: int | None = None
    capacity: int | None = None

    def __str__(self) -> str:
        clock = f" at {self.max_mhz} MHz" if self.max_mhz else ""
        return f"{self.core}{clock} ({', '.join(map(str, self.cpus))})"


def clusters(root: Path = Path("/")) -> tuple[Cluster, ...]:
    """Return the machine's clusters, the slowest last; `root` is the folder of `proc` and `sys`."""
    cpus = root / "sys/devices/system/cpu"
    names = _core_names(root)
    hybrid = _hybrid(root)
    alike: dict[tuple[str, int | None, int | None], list[int]] = {}
    for cpu, name in names.items():
        capacity = _number(cpus / f"cpu{cpu}/cpu_capacity")
        # Some x86 cores of one kind may run faster than others of it: the clock is no cluster's.
        arm = name in _ARM_PARTS.values()
        mhz = _mhz(cpus, cpu) if arm else None
        alike.setdefault((hybrid.get(cpu, name), mhz, capacity), []).append(cpu)
    found = [
        Cluster(core, tuple(members), mhz or _highest_mhz(cpus, members), capacity)
        for (core, mhz, capacity), members in alike.items()
    ]
    return tuple(sorted(found, key=_speed, reverse=True))


def cores_named(name: str, known: tuple[Cluster, ...]) -> tuple[int, ...]:
    """Return the cores that a name means, empty where the machine has none of that name.

    `little` are the cores of the slowest cluster, `big` all others; a machine with equal cores has
    neither. Any other name is that of a core.
    """
    if name in (BIG, LITTLE):
        chosen = () if len(known) < 2 else known[-1:] if name == LITTLE else known[:-1]
    else:
        chosen = tuple(cluster for cluster in known if cluster.core == name)
    return tuple(sorted(cpu for cluster in chosen for cpu in cluster.cpus))


def arm_core(part: str) -> str:
    """Return the name of Arm's core with this part number."""
    return _ARM_PARTS.get(part, f"arm {part}")


def _core_names(root: Path) -> dict[int, str]:
    """Return the name of each processor that /proc/cpuinfo lists."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    names: dict[int, str] = {}
    for number, rest in re.findall(
        r"^processor\s*:\s*(\d+)\n(.*?)(?=^processor\s*:|\Z)", text, re.MULTILINE | re.DOTALL
    ):
        fields = dict(re.findall(r"^([\w ]+?)\s*:\s*(.+)$", rest, re.MULTILINE))
        part = fields.get("CPU part", "") if fields.get("CPU implementer") == "0x41" else ""
        names[int(number)] = arm_core(part) if part else fields.get("model name", "core").strip()
    return names


def _hybrid(root: Path) -> dict[int, str]:
    kinds = {}
    for folder, kind in _X86_KINDS.items():
        try:
            text = (root / "sys/devices" / folder / "cpus").read_text(encoding="ascii")
        except OSError:
            continue
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
            kinds.update(dict.fromkeys(range(int(first), int(last or first) + 1), kind))
    return kinds


def _speed(cluster: Cluster) -> tuple[int, int, str]:
    return (cluster.capacity or 0, cluster.max_mhz or 0, cluster.core)


def _highest_mhz(cpus: Path, members: list[int]) -> int | None:
    return max((_mhz(cpus, cpu) or 0 for cpu in members), default=0) or None


def _mhz(cpus: Path, cpu: int) -> int | None:
    khz = _number(cpus / f"cpu{cpu}/cpufreq/cpuinfo_max_freq")
    return round(khz / 1000) if khz else None


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None

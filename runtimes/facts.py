"""Hardware facts of the machine that this process runs on: here, or on a device.

They are read from /proc and /sys, which takes no privileges and no tools. What a system does not
show is None or empty. No fact names a host, a user or a path.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from runtimes.clusters import Cluster, arm_core, clusters
from runtimes.digest import stable_hash
from runtimes.emulation import USER_MODE, why_emulated
from runtimes.host import host_id

INFERENCE_ISA = (
    *("avx", "avx2", "f16c", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16"),
    *("avx_vnni", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)
"""The kernel's names of the flags that decide how fast, and how exactly, a model runs."""

INT8_DOT = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
"""The instruction sets that multiply int8 into int32 without saturating in between."""

_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_PLATFORMS = ("AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE", "CLOUD_RUN_JOB")


def has_int8_dot(isa: Collection[str]) -> bool:
    """Tell whether an instruction set has an 8-bit dot product.

    Without one, x86 goes through `vpmaddubsw`, whose 16-bit sums saturate: quantizers then
    keep weights to 7 bits (`reduce_range`).
    """
    return not INT8_DOT.isdisjoint(isa)


@dataclass(frozen=True)
class Facts:
    """Hold a machine's hardware facts.

    `cores` counts physical cores, `cpus` what this process may use (affinity and cgroup quota; a
    fraction under a quota). `memory_mb` is the smaller of RAM and the cgroup's limit, in MiB.
    `steal_percent` is since boot. `host` tells equal machines apart (`runtimes.host`).
    `environment` lists the platform variables that are set, without their values. `clusters` are
    the kinds of cores, the slowest last; `page_kb` is the size of a page of memory. `emulated` says
    why the processor is a program's imitation, whose time says nothing; empty for a real one.
    """

    arch: str
    cpu_model: str
    cores: int | None
    cpus: float
    isa: tuple[str, ...]
    memory_mb: int | None
    kernel: str
    libc: str
    python: str
    hypervisor: bool = False
    device_tree_model: str | None = None
    gpus: tuple[str, ...] = ()
    governor: str | None = None
    max_mhz: int | None = None
    temperature_c: float | None = None
    load_1m: float | None = None
    steal_percent: float | None = None
    environment: tuple[str, ...] = ()
    host: str | None = None
    clusters: tuple[Cluster, ...] = ()
    page_kb: int | None = None
    emulated: str = ""

    @property
    def int8_dot(self) -> bool:
        """Tell whether the processor has an 8-bit dot product (VNNI, AMX, dotprod, i8mm)."""
        return has_int8_dot(self.isa)

    @property
    def emulates_programs(self) -> bool:
        """Tell whether an emulator runs single programs, whose memory then holds its own too."""
        return self.emulated.startswith(USER_MODE)

    def fingerprint(self) -> str:
        """Return a short stable hash of what determines a machine's timings.

        Load, temperature, kernel and Python are left out: they change on the same machine.
        """
        memory_gb = None if self.memory_mb is None else round(self.memory_mb / 1024)
        identity = (self.arch, self.cpu_model, self.cores, self.cpus, self.isa, memory_gb)
        rest = (self.hypervisor, self.device_tree_model, self.gpus, self.governor, self.max_mhz)
        emulated = (self.emulated,) if self.emulated else ()  # a real machine's hash stays
        return stable_hash([*identity, *rest, *emulated])[:16]

    def to_json(self) -> dict[str, Any]:
        """Return the facts, and the properties derived from them, as JSON values."""
        return {**asdict(self), "int8_dot": self.int8_dot, "fingerprint": self.fingerprint()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Facts:
        """Return the facts that `to_json` wrote; JSON lists become tuples."""
        names = (column.name for column in fields(cls))
        known: dict[str, Any] = {name: content[name] for name in names if name in content}
        listed = {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        cores = tuple(
            Cluster(**{**row, "cpus": tuple(row["cpus"])}) for row in known.get("clusters", ())
        )
        return cls(**{**known, **listed, "clusters": cores})


def probe(root: Path = Path("/")) -> Facts:
    """Read this machine's hardware; `root` is the folder of `proc` and `sys`."""
    cpuinfo = _text(root / "proc/cpuinfo") or ""
    machine = platform.machine().lower()
    return Facts(
        arch=_ARCHITECTURES.get(machine, machine),
        cpu_model=_cpu_model(cpuinfo),
        cores=_physical_cores(cpuinfo),
        cpus=_usable_cpus(root),
        isa=_isa(cpuinfo),
        memory_mb=_memory_mb(root),
        kernel=f"{platform.system()} {platform.release()}",
        libc=" ".join(platform.libc_ver()).strip(),
        python=".".join(map(str, sys.version_info[:3])),
        hypervisor="hypervisor" in _flags(cpuinfo),
        device_tree_model=_text(root / "proc/device-tree/model"),
        gpus=_gpus(root),
        governor=_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        max_mhz=_max_mhz(root),
        temperature_c=_temperature_c(root),
        load_1m=_load_1m(),
        steal_percent=_steal_percent(root),
        host=host_id(root),
        environment=tuple(name for name in _PLATFORMS if name in os.environ),
        clusters=clusters(root),
        page_kb=os.sysconf("SC_PAGE_SIZE") // 1024 if hasattr(os, "sysconf") else None,
        emulated=why_emulated(root),
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\x00 \n") or None
    except OSError:
        return None


def _number(path: Path) -> float | None:
    text = _text(path)
    return float(text) if text and re.fullmatch(r"-?\d+", text) else None


def _field(cpuinfo: str, name: str) -> str | None:
    match = re.search(rf"^{name}\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else None


def _flags(cpuinfo: str) -> frozenset[str]:
    return frozenset((_field(cpuinfo, "flags") or _field(cpuinfo, "Features") or "").split())


def _isa(cpuinfo: str) -> tuple[str, ...]:
    flags = _flags(cpuinfo)
    return tuple(name for name in INFERENCE_ISA if name in flags)


def _cpu_model(cpuinfo: str) -> str:
    if name := _field(cpuinfo, "model name"):
        return name
    parts = sorted(set(re.findall(r"^CPU part\s*:\s*(\w+)$", cpuinfo, re.MULTILINE)))
    if parts and _field(cpuinfo, "CPU implementer") == "0x41":
        return " + ".join(map(arm_core, parts))
    return platform.processor() or "unknown"


def _physical_cores(cpuinfo: str) -> int | None:
    sockets = re.findall(r"^physical id\s*:\s*(\d+)$", cpuinfo, re.MULTILINE)
    cores = re.findall(r"^core id\s*:\s*(\d+)$", cpuinfo, re.MULTILINE)
    if cores and len(cores) == len(sockets):
        return len(set(zip(sockets, cores)))
    return len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or os.cpu_count()


def _usable_cpus(root: Path) -> float:
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
    quota = _cgroup_quota(root)
    return cpus if quota is None else min(cpus, round(quota, 2))


def _cgroup_quota(root: Path) -> float | None:
    quotas = []
    for folder in cgroup_folders(root):
        quota, _, period = (_text(folder / "cpu.max") or "").partition(" ")
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    quota_us = _number(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period_us = _number(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota_us and period_us and quota_us > 0:
        quotas.append(quota_us / period_us)
    return min(quotas, default=None)


def _memory_mb(root: Path) -> int | None:
    match = re.search(r"^MemTotal:\s*(\d+) kB", _text(root / "proc/meminfo") or "", re.MULTILINE)
    limits = [_number(folder / "memory.max") for folder in cgroup_folders(root)]
    limits.append(_number(root / "sys/fs/cgroup/memory/memory.limit_in_bytes"))
    sizes = [limit / 2**20 for limit in limits if limit]
    sizes += [int(match[1]) / 1024] if match else []
    return int(min(sizes)) if sizes else None


def cgroup_folders(root: Path) -> list[Path]:
    """List this process's cgroup v2 folders, from its own up to the root; each may set a limit."""
    base = root / "sys/fs/cgroup"
    match = re.search(r"^0::/?(.*)$", _text(root / "proc/self/cgroup") or "", re.MULTILINE)
    own = base / (match[1] if match else "")
    return [base] + [folder for folder in (own, *own.parents) if base in folder.parents]


def _gpus(root: Path) -> tuple[str, ...]:
    files = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    models = (_field(_text(file) or "", "Model") for file in files)
    return tuple(model for model in models if model)


def _max_mhz(root: Path) -> int | None:
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")
    return int(max((_number(file) or 0 for file in files), default=0) / 1000) or None


def _temperature_c(root: Path) -> float | None:
    zones = (_number(file) for file in (root / "sys/class/thermal").glob("thermal_zone*/temp"))
    return max((zone / 1000 for zone in zones if zone is not None), default=None)


def _load_1m() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def _steal_percent(root: Path) -> float | None:
    first = (_text(root / "proc/stat") or "").partition("\n")[0].split()
    ticks: list[int] = [
        int(tick) for tick in first[1:9]
    ]  # user to steal; guest time is within user
    total = sum(ticks)
    return round(100 * ticks[7] / total, 2) if len(ticks) == 8 and total else None

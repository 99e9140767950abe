"""What a device's shell shows of it, before there is any Python on it."""

from __future__ import annotations

import re
import shlex
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from profiles.transport.remote import Remote
from profiles.transport.shell import call
from runtimes.emulation import why_emulated
from runtimes.facts import Facts, probe

PYTHONS = tuple(f"python3.{minor}" for minor in range(14, 8, -1))
"""The interpreters that run the code sent to a device, the newest first."""

_FILES = (
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/device-tree/model"),
    *("/proc/device-tree/compatible", "/proc/device-tree/fw-cfg@*/compatible"),
    *("/proc/sys/kernel/arch", "/sys/devices/system/cpu/modalias", "/sys/class/ptp/*/clock_name"),
    *("/sys/devices/system/cpu/cpu*/cpu_capacity", "/proc/driver/nvidia/gpus/*/information"),
    *("/sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq", "/etc/machine-id"),
    *("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "/sys/class/thermal/*/temp"),
)
_MARK = "==edgepress=="

_SCRIPT = f"""
for file in {" ".join(_FILES)}; do
  [ -r "$file" ] && [ -f "$file" ] && {{ echo "{_MARK} file $file"; cat "$file"; echo; }}
done
say() {{ printf '%s\\n' "{_MARK} $*"; }}
say system "$(uname -s)"
say kernel "$(uname -r)"
say arch "$(uname -m)"
say pages "$(sed -n 's/^KernelPageSize: *\\([0-9]*\\) kB/\\1/p' /proc/self/smaps | head -n 1)"
say cpus "$(grep -c '^processor' /proc/cpuinfo)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
say free "$(df -Pk . | tail -n 1 | {{ read -r disk all used free rest; echo "$free"; }})"
for name in {" ".join(PYTHONS)} python3; do
  at=$(command -v $name) && say python "$at" "$($at -c '
import platform, struct, sys
print(*sys.version_info[:2], struct.calcsize("P") * 8, sys.implementation.name,
      *(platform.libc_ver()[1].split(".") or ["0"]))' 2>/dev/null)"
done
true
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Describe a Python on the device: its path, "3.11", and the GNU C library's version."""

    path: str
    version: str
    glibc: tuple[int, int]
    fits: bool


@dataclass(frozen=True, slots=True)
class Bare:
    """Hold what a device's shell shows: facts, free space and interpreters."""

    facts: Facts
    free_mb: float | None
    interpreters: tuple[Interpreter, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, beside the facts' own."""
        found = [{"path": one.path, "version": one.version} for one in self.interpreters]
        return {**self.facts.to_json(), "free_mb": self.free_mb, "interpreters": found}


def look(device: Remote) -> Bare:
    """Ask the device's shell; raise DeviceError when it cannot be reached."""
    where = shlex.quote(str(device.root))
    _, output, _ = call(device.shell, f"cd {where}\n{_SCRIPT}")
    files, said = _parsed(output)
    with tempfile.TemporaryDirectory(prefix="ep-") as scratch:
        root = Path(scratch)
        for name, text in files.items():
            file = root / name.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        kernel = _first(said, "kernel")
        emulated = why_emulated(root, machine=_first(said, "arch"), release=kernel)
        facts = replace(probe(root), emulated=emulated)
    free = _first(said, "free")
    return Bare(
        _of_the_device(facts, said),
        int(free) * 1024 / 1e6 if free.isdigit() else None,
        tuple(_interpreters(said)),
    )


def _parsed(output: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the files by name, and what was said, in order."""
    files: dict[str, str] = {}
    said: list[tuple[str, str]] = []
    for part in re.split(rf"^{_MARK} ", output, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        kind, _, rest = head.partition(" ")
        if kind == "file":
            files[rest] = body
        else:
            said.append((kind, rest.strip()))
    return files, said


def _first(said: list[tuple[str, str]], kind: str) -> str:
    return next((text for name, text in said if name == kind), "")


def _of_the_device(facts: Facts, said: list[tuple[str, str]]) -> Facts:
    """Replace what `probe` took from this process by what the device's shell said."""
    pages, cpus = _first(said, "pages"), _first(said, "cpus")
    known = [one for one in _interpreters(said) if one.fits]
    return replace(
        facts,
        arch=_first(said, "arch") or "unknown",
        kernel=f"{_first(said, 'system')} {_first(said, 'kernel')}",
        cpus=float(cpus) if cpus.isdigit() else float(facts.cores or 1),
        page_kb=int(pages) if pages.isdigit() else None,
        libc=_first(said, "libc"),
        python=known[0].version if known else "",
        load_1m=None,
        environment=(),
    )


def _interpreters(said: list[tuple[str, str]]) -> list[Interpreter]:
    found: dict[str, Interpreter] = {}
    for kind, text in said:
        words = text.split()
        if kind != "python" or len(words) < 5 or not words[1].isdigit():
            continue
        path, major, minor, bits, implementation, *libc = words
        glibc = (int(libc[0]), int(libc[1])) if len(libc) > 1 and libc[1].isdigit() else (0, 0)
        version = f"{major}.{minor}"
        fits = (
            major == "3" and int(minor) >= 9 and bits == "64" and implementation == "cpython"
        ) and glibc > (2, 0)
        found.setdefault(version, Interpreter(path, version, glibc, fits))
    return list(found.values())

"""Whether software imitates the processor that this process runs on.

What an emulator answers is what the real processor answers, to the bit for most operators, so a
model's fit, size and accuracy can be judged on one. Its time says nothing about any board.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

USER_MODE = "a user-mode emulator"
_FAMILIES = {"arm": r"aarch64|arm", "x86": r"x86|i[3-6]86|amd64", "riscv": r"riscv"}
_BOARDS = re.compile(r"\b(ranchu|goldfish)\b", re.IGNORECASE)
"""The boards that Android's emulator shows."""


def why_emulated(root: Path = Path("/"), machine: str = "", release: str = "") -> str:
    """Say why this machine is an emulator, empty for a real one; no guess is made.

    `machine` and `release` are uname's, by default this process's own. An emulated program sees the
    files of the kernel that runs the emulator: of another architecture than uname says. A virtual
    machine whose instructions the processor itself executes (KVM) is none.
    """
    own = _family(machine or platform.machine())
    for kernel in _kernels(root, release or platform.release()):
        family = _family(kernel)
        if own and family and family != own:
            return f"{USER_MODE}: programs are {own}, the kernel is {family}"
    if _is_qemu_board(root) and not _is_kvm(root):
        return "a system emulator: the board is QEMU's `virt`"
    cpuinfo = _text(root / "proc/cpuinfo")
    if "QEMU TCG CPU" in cpuinfo:
        return "a system emulator: the processor is QEMU's own (TCG)"
    hardware = re.search(r"^Hardware\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if hardware and _BOARDS.search(hardware[1]):
        return f"Android's emulator: the board is {hardware[1].strip()}"
    return ""


def _kernels(root: Path, release: str) -> list[str]:
    """Return what names the kernel's architecture: a file since 6.1, sysfs, and its release."""
    modalias = _text(root / "sys/devices/system/cpu/modalias")
    kind = re.match(r"cpu:type:(\w+)", modalias)
    named = re.search(r"-(amd64|arm64)\b", release)
    return [
        _text(root / "proc/sys/kernel/arch").strip(),
        kind[1] if kind else "",
        named[1].replace("arm64", "aarch64") if named else "",
    ]


def _family(machine: str) -> str:
    """Return the family of an architecture: a 32-bit program on a 64-bit kernel is none other."""
    names = (name for name, pattern in _FAMILIES.items() if re.match(pattern, machine.lower()))
    return next(names, "")


def _is_qemu_board(root: Path) -> bool:
    """Tell whether the device tree is QEMU's; Firecracker's has the same name and no fw-cfg."""
    tree = root / "proc/device-tree"
    virtual = "linux,dummy-virt" in _text(tree / "compatible").split("\0")
    return virtual and any("qemu," in _text(path) for path in tree.glob("fw-cfg@*/compatible"))


def _is_kvm(root: Path) -> bool:
    clocks = (root / "sys/class/ptp").glob("ptp*/clock_name")
    return any("KVM" in _text(path) for path in clocks)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

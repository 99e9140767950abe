"""What tells an emulated processor from a real one, by the files of known machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.emulation import why_emulated
from runtimes.facts import probe
from tests.runtimes.raspberry import raspberry

CASES = {
    "a server": ("x86_64", "6.8.0-1021-aws", {"proc/sys/kernel/arch": "x86_64\n"}, ""),
    "a Raspberry Pi": (
        "aarch64",
        "6.6.31-rpi",
        {
            "proc/sys/kernel/arch": "aarch64\n",
            "proc/device-tree/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
        },
        "",
    ),
    "32-bit programs on it": ("armv8l", "6.6.31", {"proc/sys/kernel/arch": "aarch64\n"}, ""),
    "32-bit programs on a PC": ("i686", "6.1.0-18-amd64", {"proc/sys/kernel/arch": "x86_64"}, ""),
    "user mode": ("aarch64", "6.18.44", {"proc/sys/kernel/arch": "x86_64\n"}, "user-mode"),
    "user mode, older kernel": (
        "aarch64",
        "5.15.0",
        {"sys/devices/system/cpu/modalias": "cpu:type:x86,ven0002fam0019mod0011:feature:,0000\n"},
        "user-mode",
    ),
    "user mode, by the release": ("armv7l", "5.10.0-28-amd64", {}, "user-mode"),
    "an arm kernel's own modalias": (
        "aarch64",
        "6.1.0-18-arm64",
        {"sys/devices/system/cpu/modalias": "cpu:type:aarch64:feature:,0000,0001\n"},
        "",
    ),
    "QEMU's board": (
        "aarch64",
        "6.1.0-18-cloud-arm64",
        {
            "proc/device-tree/compatible": "linux,dummy-virt\0",
            "proc/device-tree/fw-cfg@9020000/compatible": "qemu,fw-cfg-mmio\0",
        },
        "system emulator",
    ),
    "QEMU's board on a real processor": (
        "aarch64",
        "6.1.0-18-cloud-arm64",
        {
            "proc/device-tree/compatible": "linux,dummy-virt\0",
            "proc/device-tree/fw-cfg@9020000/compatible": "qemu,fw-cfg-mmio\0",
            "sys/class/ptp/ptp0/clock_name": "KVM virtual PTP\n",
        },
        "",
    ),
    "Firecracker on arm": (
        "aarch64",
        "6.1.0",
        {"proc/device-tree/compatible": "linux,dummy-virt\0"},
        "",
    ),
    "TCG on x86": (
        "x86_64",
        "6.1.0",
        {"proc/cpuinfo": "processor\t: 0\nmodel name\t: QEMU TCG CPU version 2.5+\n"},
        "TCG",
    ),
    "a virtual machine on x86": (
        "x86_64",
        "6.1.0",
        {"proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t: hypervisor\n"},
        "",
    ),
    "Android's emulator": ("aarch64", "6.6", {"proc/cpuinfo": "Hardware\t: ranchu\n"}, "Android"),
    "nothing to see": ("", "", {}, ""),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_emulator_is_known(case: tuple[str, str, dict[str, str], str], tmp_path: Path) -> None:
    machine, release, files, said = case
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    why = why_emulated(tmp_path, machine or "unknown", release or "unknown")
    assert (said in why) if said else why == ""


def test_an_emulator_is_another_machine_than_the_board_it_shows() -> None:
    assert raspberry(emulated="QEMU").fingerprint() != raspberry().fingerprint()


def test_this_machine_runs_its_own_instructions() -> None:
    assert probe().emulated == ""

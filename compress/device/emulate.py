"""Make an emulated board of a shipped profile: its folder, and a profile that reaches it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from compress.device.cores import core_for, cpuinfo, midr
from compress.device.pack import build_pack
from compress.device.profile_text import profile_text
from compress.progress import Progress, Silence
from profiles.budget import Budget, is_timed
from profiles.device import Cores, DeviceProfile, Match, TransportSettings, load_profile
from profiles.transport.emulated import BOARD, PACK, PREFIX, find_qemu, knows
from runtimes.errors import InputError
from runtimes.files import new_folder, write_json, write_text

SCHEMA_VERSION = 1
COMMENT = """An emulated board: it answers whether a model loads, fits and says the same, never how
fast. Budgets on time only warn: they are not measured here. `edgepress device emulate` wrote it."""


@dataclass(frozen=True, slots=True)
class Board:
    """Name an emulated board: its folder, the file of its profile, and the core that it shows."""

    folder: Path
    profile: Path
    core: str


def emulate(
    profile: DeviceProfile | str, folder: Path | None = None, *, progress: Progress | None = None
) -> Board:
    """Make an emulated board of a shipped profile, in `folder` or else in the current one.

    The board runs by QEMU's user mode: fast to make and to start, without a memory limit or a
    shell of its own. The profile beside the board is the shipped one with transport `emulated`.
    Raises UnsupportedError for a device that cannot be emulated, DeviceError without QEMU.
    """
    progress = progress or Silence()
    device = load_profile(profile) if isinstance(profile, str) else profile
    core = core_for(device)
    name = f"{device.name}-emulated"
    target = (folder or Path(name)).absolute()
    check_target(target)
    knows(find_qemu(), core)
    pack = build_pack("aarch64", device.runtime.name, progress=progress)
    with new_folder(target) as made:
        shutil.copytree(pack.folder, made / PACK, ignore=shutil.ignore_patterns(".seal"))
        write_prefix(made / PREFIX, core)
        write_json(
            made / BOARD,
            {"schema_version": SCHEMA_VERSION, "profile": device.name, "cpu": core, "mode": "user"},
        )
        transport = TransportSettings(kind="emulated", host=str(target), cpu=core)
        derived = derived_profile(device, core, transport, device.hardware.memory_mb, name)
        write_text(made / f"{name}.toml", profile_text(derived, comment=COMMENT))
    return Board(target, target / f"{name}.toml", core)


def derived_profile(
    profile: DeviceProfile,
    core: str,
    transport: TransportSettings,
    memory_mb: int | None,
    name: str,
) -> DeviceProfile:
    """Return the profile of an emulated board: the budgets of the real one, another transport.

    Those on time only warn: they are NOT_MEASURED there, and would leave every verdict undecided.

    It is recognized by its core and not by a device tree. One thread suffices, since no time that
    an emulator takes is a figure; answers do not depend on it.
    """
    hardware = profile.hardware.model_copy(
        update={
            "cores": (Cores(core=core),),
            "memory_mb": memory_mb,
            "accelerator": None,
        }
    )
    return profile.model_copy(
        update={
            "name": name,
            "description": f"{profile.description}: emulated, for answers and not for times",
            "match": Match(cpu_model=core),
            "hardware": hardware,
            "transport": transport,
            "runtime": profile.runtime.model_copy(update={"threads": 1, "cores": ()}),
            "budgets": {metric: _warning(one) for metric, one in profile.budgets.items()},
        }
    )


def _warning(budget: Budget) -> Budget:
    """Return a budget that only warns where it is on time, which no emulator gives."""
    return budget.model_copy(update={"level": "warn"}) if is_timed(budget.metric) else budget


def check_target(folder: Path) -> None:
    """Raise InputError where a folder is there that is no emulated board."""
    if folder.exists() and not (folder / BOARD).is_file():
        raise InputError(
            f"{folder}: is there already, and is no emulated board",
            expected="a new folder, or an emulated board to make again",
            action="choose another folder",
        )


def write_prefix(prefix: Path, core: str) -> None:
    """Write the files of /proc and /sys by which libraries recognize a processor.

    With an x86 one of the first, onnxruntime ends in a segmentation fault. OpenVINO ends in one
    without the MIDR, and with another number of cores than this machine, whose caches it sees.
    """
    count = os.cpu_count() or 1
    write_text(prefix / "proc/cpuinfo", cpuinfo(core, count))
    cpus = prefix / "sys/devices/system/cpu"
    for name in ("possible", "present", "online"):
        write_text(cpus / name, f"0-{count - 1}\n" if count > 1 else "0\n")
    for number in range(count):
        write_text(cpus / f"cpu{number}/regs/identification/midr_el1", midr(core))

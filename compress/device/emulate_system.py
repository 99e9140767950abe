"""Make a board that is emulated as a whole system: its own kernel, memory and sshd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from compress.device.cores import core_for
from compress.device.debs import unpack
from compress.device.emulate import (
    COMMENT,
    SCHEMA_VERSION,
    Board,
    check_target,
    derived_profile,
)
from compress.device.kernel import find_kernel, initrd
from compress.device.pack import debs_for
from compress.device.profile_text import profile_text
from compress.device.system_board import (
    DISK,
    INITRD,
    KERNEL,
    KEYS,
    SSH_CONFIG,
    stop,
)
from compress.device.system_image import add_keys, fill_root, make_disk
from compress.places import cache_root, check_room
from compress.progress import Progress, Silence
from compress.run.cache_owner import claim
from compress.storage.scratch import scratch_folder
from profiles.device import DeviceProfile, TransportSettings, load_profile
from profiles.transport.emulated import BOARD
from runtimes.errors import DeviceError
from runtimes.files import new_folder, write_bytes, write_json, write_text

_MOST_MEMORY_MB = 1024
_FREE_MB = 1024
_ROOM = 700_000_000
"""What the packages, the files before they become a disk, and the disk take; its rest is empty."""


def emulate_system(
    profile: DeviceProfile | str,
    folder: Path | None = None,
    *,
    memory_mb: int | None = None,
    python: bool = True,
    progress: Progress | None = None,
) -> Board:
    """Make a system of a shipped profile in `folder`, or else in the current one.

    `SystemBoard` starts it. Its memory is `memory_mb`, by default the profile's up to 1024, and is
    a real limit. `python` gives it Debian's Python without any package. Its network reaches
    nothing. Raises UnsupportedError for a device that cannot be emulated.
    """
    progress = progress or Silence()
    device = load_profile(profile) if isinstance(profile, str) else profile
    core = core_for(device)
    memory = memory_mb or min(device.hardware.memory_mb or _MOST_MEMORY_MB, _MOST_MEMORY_MB)
    name = f"{device.name}-emulated-system"
    target = (folder or Path(name)).absolute()
    check_target(target)
    check_room(target, _ROOM)
    stop(target)
    claim(cache_root())
    with new_folder(target) as made, progress.task("emulated system", 3) as advance:
        host = f"edgepress-{device.name}"
        _make_keys(made / KEYS, host)
        with scratch_folder() as scratch:
            _add_kernel(scratch / "kernel", made)
            advance(1, "kernel")
            root = scratch / "root"
            fill_root(root, debs_for("aarch64"), python=python)
            add_keys(root, made / KEYS)
            advance(1, "files")
            make_disk(root, made / DISK, _FREE_MB)
            advance(1, "disk")
        about = {"profile": device.name, "cpu": core, "mode": "system", "host": host}
        rest = {"memory_mb": memory, "python": python}
        write_json(made / BOARD, {"schema_version": SCHEMA_VERSION, **about, **rest})
        settings = TransportSettings(kind="ssh", host=host, config=str(target / SSH_CONFIG))
        derived = derived_profile(device, core, settings, memory, name)
        write_text(made / f"{name}.toml", profile_text(derived, comment=COMMENT))
    return Board(target, target / f"{name}.toml", core)


def _add_kernel(scratch: Path, made: Path) -> None:
    debs = debs_for("aarch64")
    debs.refresh()
    newest = debs.dependency("linux-image-cloud-arm64", r"linux-image-\d.*")
    for file in debs.fetch(debs.describe([newest, "busybox-static"])):
        unpack(file, scratch)
    shutil.copy(find_kernel(scratch), made / KERNEL)
    write_bytes(made / INITRD, initrd(scratch, scratch / "bin/busybox"))


def _make_keys(folder: Path, name: str) -> None:
    """Make the key that logs in and the board's own; both are of no use elsewhere."""
    tool = shutil.which("ssh-keygen")
    if tool is None:
        raise DeviceError(
            "ssh-keygen: not on this machine, and a board is reached by ssh",
            action="install it: `apt-get install openssh-client`",
        )
    folder.mkdir(mode=0o700)
    for key in ("id", "host"):
        subprocess.run(
            [tool, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / key)],
            check=True,
            capture_output=True,
        )

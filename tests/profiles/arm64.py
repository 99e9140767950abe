"""An arm64 userland for the tests' phone: shell and commands of Debian's packages, run by QEMU.

Every program there is arm64 code, so the device's own loader, shell and tools are tried. The
kernel is this machine's: a private list of binary formats in a user namespace needs no root.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from compress.device.cores import cpuinfo
from compress.device.debs import Debs, unpack
from profiles.transport.emulated import find_qemu
from runtimes.errors import InputError

_PACKAGES = ("mksh", "toybox", "libc6", "libcrypt1")
_ENTER = r"""
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc || exit 125
m='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
k='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf %s ":arm64:M::$m:$k:$QEMU:F" > /proc/sys/fs/binfmt_misc/register || exit 125
mount --rbind /proc "$ROOT/proc" && mount --rbind /dev "$ROOT/dev" || exit 125
mount --bind "$ROOT/cpuinfo" "$ROOT/proc/cpuinfo" || exit 125
cd / && exec chroot "$ROOT" /bin/sh "$@"
"""


def arm64_shell(root: Path, packages: Path, core: str) -> tuple[list[str], dict[str, str]]:
    """Make a userland in `root`; return its shell and environment. Skips where none can run."""
    qemu = find_qemu()
    debs = Debs("aarch64", packages)
    try:
        debs.refresh()
        for file in debs.fetch(debs.describe(_PACKAGES)):
            unpack(file, root)
    except InputError as error:
        pytest.skip(f"no network: {error.available}")
    (root / "bin/sh").symlink_to("mksh")
    for folder in ("proc", "dev", "data/local/tmp", "sys/devices/system/cpu"):
        (root / folder).mkdir(parents=True)
    (root / "cpuinfo").write_text(cpuinfo(core, 1))
    for name in ("possible", "present"):
        (root / "sys/devices/system/cpu" / name).write_text("0-0\n")
    enter = root / "enter"
    enter.write_text(_ENTER)
    unshare = shutil.which("unshare") or "unshare"
    shell = [unshare, "--user", "--map-root-user", "--mount", "/bin/sh", str(enter)]
    env = {
        "ROOT": str(root), "QEMU": qemu, "QEMU_CPU": core, "HOME": "/",
        "PATH": "/bin:/usr/bin:/sbin:/usr/sbin", "TMPDIR": "/data/local/tmp",
    }  # fmt: skip
    tried = subprocess.run([*shell, "-c", "/bin/toybox"], env=env, capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no arm64 userland runs here: {tried.stderr.decode().strip()}")
    for name in {*tried.stdout.decode().split()} - {"sh", "["}:
        (root / "bin" / name).symlink_to("toybox")
    return shell, env

"""A Linux kernel for an emulated board, and the first files that find its disk."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterator
from pathlib import Path

from compress.device.cpio import archive, console, folder, program
from runtimes.errors import UnsupportedError

_DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "ext4")
_INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in {modules}; do /bin/busybox insmod /modules/$module.ko; done
until [ -e /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 -o commit=1 /dev/vda /root
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""


def find_kernel(root: Path) -> Path:
    """Return the kernel's file of an unpacked Debian package."""
    return next((root / "boot").glob("vmlinuz-*"))


def initrd(root: Path, busybox: Path) -> bytes:
    """Return the first files of a system: a shell, and the drivers of QEMU's disk and network.

    `root` holds an unpacked kernel package.
    """
    known = {_name(file): file for file in (root / "lib/modules").rglob("*.ko*")}
    ordered = list(dict.fromkeys(name for one in _DRIVERS for name in _needed(one, known)))
    return archive(
        [
            *map(folder, ("bin", "dev", "root", "modules")),
            console(),
            program("bin/busybox", busybox.read_bytes()),
            program("init", _INIT.format(modules=" ".join(ordered)).encode()),
            *(program(f"modules/{name}.ko", _content(known[name])) for name in ordered),
        ]
    )


def _needed(name: str, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules that one needs, each after all that it needs, then itself.

    A module names what it needs in its section .modinfo. One that is not among the files is part of
    the kernel; without the drivers themselves no disk is found.
    """
    if name not in known:
        return
    for depends in re.findall(rb"\0depends=([\w,-]*)\0", b"\0" + _content(known[name])):
        for other in filter(None, depends.decode().split(",")):
            yield from _needed(other.replace("-", "_"), known)
    yield name


def _name(file: Path) -> str:
    return file.name.partition(".")[0].replace("-", "_")


def _content(file: Path) -> bytes:
    if file.suffix == ".ko":
        return file.read_bytes()
    if file.suffix == ".xz":
        return lzma.decompress(file.read_bytes())
    raise UnsupportedError(
        f"{file.name}: a module compressed as {file.suffix}",
        expected=".ko or .ko.xz",
        action="use the sources of a supported Debian release: 12 or newer",
    )

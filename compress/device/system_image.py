"""The disk of an emulated board: a small Debian userland with a shell, sshd and a home."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from compress.device.debs import Debs, unpack
from runtimes.errors import InputError, UnsupportedError
from runtimes.files import folder_bytes

USER = "board"
"""Who logs in: no root, as on a board that is somebody's."""

_ROOTS = ("busybox-static", "openssh-server", "openssh-sftp-server")
_PYTHON = ("libstdc++6", "python3-minimal", "libpython3-stdlib")
_LEFT_OUT = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian"),
    *("usr/lib/*/gconv", "lib/systemd", "usr/lib/systemd", "usr/share/bug", "etc/init.d"),
)
_FOLDERS = (
    *("bin", "dev", "etc/ssh", "home", "proc", "root", "run", "sbin", "sys", "tmp"),
    *("usr/bin", "usr/sbin", "var/empty", "var/log"),
)

_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "sshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n"
    f"{USER}:x:1000:1000::/home/{USER}:/bin/sh\n",
    "etc/shadow": f"root:*:19000::::::\nsshd:*:19000::::::\n{USER}:*:19000::::::\n",
    "etc/group": f"root:x:0:\nnogroup:x:65534:\n{USER}:x:1000:\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/ssh/sshd_config": "HostKey /etc/ssh/ssh_host_ed25519_key\n"
    "PasswordAuthentication no\n"
    "KbdInteractiveAuthentication no\n"
    "UsePAM no\n"
    "UseDNS no\n"
    "MaxSessions 50\n"
    "MaxStartups 50\n"
    "Subsystem sftp /usr/lib/openssh/sftp-server\n",
    "etc/inittab": "::sysinit:/etc/start\n"
    "::respawn:/etc/serve\n"
    "::shutdown:/bin/busybox umount -a -r\n",
    "etc/start": """#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sys /sys
$busybox mount -t cgroup2 cgroup /sys/fs/cgroup
# a control group of the user's own, as systemd delegates one; sshd is in one below it
groups=/sys/fs/cgroup
echo +memory > $groups/cgroup.subtree_control
$busybox mkdir -p $groups/board/sshd
echo +memory > $groups/board/cgroup.subtree_control
$busybox chown 1000:1000 $groups/board $groups/board/sshd
for name in cgroup.procs cgroup.subtree_control cgroup.threads; do
    $busybox chown 1000:1000 $groups/board/$name $groups/board/sshd/$name
done
$busybox mkdir -p /dev/pts /dev/shm
$busybox mount -t devpts devpts /dev/pts
for place in /dev/shm /tmp /run; do $busybox mount -t tmpfs -o mode=1777 tmpfs $place; done
if [ ! -e /etc/owned ]; then
    # the host that made the disk need not be root, and its files are its user's
    for place in /bin /etc /lib /root /sbin /usr /var /home; do
        $busybox chown -R 0:0 $place
    done
    $busybox chown -R 1000:1000 /home/board
    $busybox --install -s /bin
    : > /etc/owned
fi
mkdir -m 755 /run/sshd
hostname edgepress-board
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
""",
    "etc/serve": """#!/bin/sh
echo 0 > /sys/fs/cgroup/board/sshd/cgroup.procs
exec /usr/sbin/sshd -D -e
""",
}


def fill_root(root: Path, debs: Debs, *, python: bool) -> None:
    """Fill an empty folder with a board's files, with or without Debian's own Python."""
    names = [*_ROOTS, *(_PYTHON if python else ())]
    if python:
        names.append(debs.dependency("python3-minimal", r"python3\.\d+-minimal"))
        names.append(debs.dependency("libpython3-stdlib", r"libpython3\.\d+-stdlib"))
    for file in debs.fetch(debs.describe(debs.with_libraries(*names))):
        unpack(file, root)
    for pattern in _LEFT_OUT:
        for path in root.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)
    for name in _FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in _FILES.items():
        (root / name).write_text(text, encoding="utf-8")
    for name in ("etc/start", "etc/serve"):
        (root / name).chmod(0o755)
    (root / "etc/shadow").chmod(0o600)
    for name in ("bin/sh", "sbin/init"):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to("/bin/busybox")


def add_keys(root: Path, keys: Path) -> None:
    """Let the key `keys`/id log in, and give the board its own host key, `keys`/host."""
    ssh = root / "home" / USER / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    shutil.copy(keys / "id.pub", ssh / "authorized_keys")
    (ssh / "authorized_keys").chmod(0o600)
    for suffix in ("", ".pub"):
        place = root / f"etc/ssh/ssh_host_ed25519_key{suffix}"
        shutil.copy(keys / f"host{suffix}", place)
        place.chmod(0o600)


def make_disk(root: Path, disk: Path, free_mb: int) -> None:
    """Write a folder's files as an ext4 disk with so much room left; root is not needed."""
    size_mb = int(folder_bytes(root) / 2**20 * 1.15) + 64 + free_mb
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    tool = shutil.which("mke2fs", path=path)
    if tool is None:
        raise UnsupportedError(
            "mke2fs: not on this host, and it makes an emulated board's disk",
            action="install it: `apt-get install e2fsprogs`",
        )
    done = subprocess.run(
        [
            *(tool, "-q", "-t", "ext4", "-d", str(root), "-E", "root_owner=0:0"),
            *("-m", "0", str(disk), f"{size_mb}M"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InputError(
            f"{disk}: mke2fs cannot make the disk ({done.stderr.strip()[-300:]})",
            action="check the free space, then try again",
        )

"""A running emulated board: one QEMU process that this one, or its folder, owns."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from compress.device.system_image import USER
from profiles.transport.emulated import BOARD, checked_cpu, knows
from runtimes.errors import DeviceError
from runtimes.files import write_text
from runtimes.parsing import parse_json

KERNEL, INITRD, DISK, KEYS = "vmlinuz", "initrd", "disk.ext4", "keys"
SSH_CONFIG, CONSOLE, PID = "ssh_config", "console.log", "qemu.pid"
_QEMU = "qemu-system-aarch64"
_START_S = 180.0
_END_S = 10.0


class SystemBoard:
    """Start and end the board of a folder that `emulate_system` made.

    As a context manager it runs until the block ends. `clock` is the date that its clock shows
    first, "2001-01-01" for example; by default it is right.
    """

    def __init__(self, folder: Path, *, memory_mb: int | None = None, clock: str = "") -> None:
        self.folder = folder.absolute()
        self._about = _read(self.folder)
        self.memory_mb = memory_mb or int(self._about["memory_mb"])
        self._clock = clock

    def start(self) -> None:
        """Start it, and return when its sshd lets the board's key in.

        Raises DeviceError without QEMU, where it runs already, or when it does not start.
        """
        if running(self.folder):
            raise DeviceError(
                f"{self.folder}: this board runs already",
                action="end it first: `edgepress device emulate --stop`",
            )
        port = _free_port()
        write_text(self.folder / SSH_CONFIG, self._ssh_config(port))
        log = (self.folder / CONSOLE).with_suffix(".qemu")
        with log.open("wb") as said:
            process = subprocess.Popen(
                self._command(port),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            self._await(process, log)
        except BaseException:
            process.kill()
            process.wait()
            raise
        self._process = process

    def stop(self) -> None:
        """End it, as if its power were cut."""
        stop(self.folder)
        with suppress(AttributeError):
            self._process.wait(_END_S)

    def wait(self) -> None:
        """Wait until it ends by itself."""
        self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self, port: int) -> list[str]:
        emulator = shutil.which(_QEMU)
        if emulator is None:
            raise DeviceError(
                f"{_QEMU}: not on this machine, so no system can be emulated",
                action="install it: `apt-get install qemu-system-arm`",
            )
        core = checked_cpu(str(self._about["cpu"]))
        knows(emulator, core, "-M", "virt")
        part = self.folder.joinpath
        # A comma separates QEMU's settings, and is written twice within one.
        disk, console = (str(part(name)).replace(",", ",,") for name in (DISK, CONSOLE))
        network = f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"
        return [
            *(emulator, "-M", "virt", "-cpu", core, "-m", str(self.memory_mb), "-smp", "1"),
            *("-display", "none", "-monitor", "none", "-no-reboot", "-nodefaults"),
            *("-chardev", f"file,id=log,path={console}", "-serial", "chardev:log"),
            *("-kernel", str(part(KERNEL)), "-initrd", str(part(INITRD))),
            *("-append", "console=ttyAMA0 quiet panic=-1"),
            *("-drive", f"if=none,id=disk,format=raw,file={disk}"),
            *("-device", "virtio-blk-pci,drive=disk", "-netdev", network),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
            *("-pidfile", str(part(PID))),
            *(("-rtc", f"base={self._clock}") if self._clock else ()),
        ]

    def _ssh_config(self, port: int) -> str:
        keys = self.folder / KEYS
        write_text(keys / "known_hosts", f"[127.0.0.1]:{port} {(keys / 'host.pub').read_text()}")
        return (
            f"Host {self._about['host']}\n"
            "    HostName 127.0.0.1\n"
            f"    Port {port}\n"
            f"    User {USER}\n"
            f'    IdentityFile "{keys / "id"}"\n'
            "    IdentitiesOnly yes\n"
            f'    UserKnownHostsFile "{keys / "known_hosts"}"\n'
            "    GlobalKnownHostsFile none\n"
            "    StrictHostKeyChecking yes\n"
        )

    def _await(self, process: subprocess.Popen[bytes], log: Path) -> None:
        command = ["ssh", "-F", str(self.folder / SSH_CONFIG), "-o", "BatchMode=yes"]
        command += ["-o", "ConnectTimeout=10", str(self._about["host"]), "true"]
        end = time.monotonic() + _START_S
        while time.monotonic() < end and process.poll() is None:
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.3)
        said = log.read_text(errors="replace") + _text(self.folder / CONSOLE)
        raise DeviceError(
            f"{self.folder}: the board "
            + ("ended" if process.poll() is not None else "lets nobody in")
            + f" within {_START_S:.0f} s",
            available="\n             ".join(said.splitlines()[-6:]) or "it said nothing",
            action="try it with more memory (--memory-mb), or make it again",
        )


def running(folder: Path) -> int | None:
    """Return the process id of the board in a folder, None where it does not run."""
    try:
        pid = int((folder / PID).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if str(folder / PID).encode() in command.split(b"\0") else None


def stop(folder: Path) -> bool:
    """End the board in a folder, whoever started it; tell whether one ran."""
    folder = folder.absolute()
    pid = running(folder)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + _END_S
    while running(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return True


def _read(folder: Path) -> dict[str, str]:
    try:
        about: dict[str, str] = parse_json((folder / BOARD).read_text(encoding="utf-8"))
        if about["mode"] == "system":
            return about
    except (OSError, ValueError, KeyError):
        pass
    raise DeviceError(
        f"{folder}: no board that is emulated as a system",
        action="make one: `edgepress device emulate PROFILE --system`",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""

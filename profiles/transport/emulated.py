"""An emulated arm64 board: real arm64 code on this machine, by QEMU's user mode.

It answers whether a model loads, fits and says the same. Its time says nothing about any board.
`compress.device.emulate` makes the folder that the profile's `host` names:

    board.json            what the board is
    pack/                 its Python and runtime (compress.device.pack)
    prefix/               /proc/cpuinfo and /sys/devices/system/cpu as the board's kernel shows them
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from profiles.transport.local import Local
from profiles.transport.remote import expanded
from profiles.transport.serving import facts_of
from profiles.transport.versions import check_versions
from runtimes.errors import BackendError, DeviceError, ProfileError
from runtimes.facts import Facts
from runtimes.parsing import parse_json
from runtimes.process import HostProcess

CPUS = ("cortex-a53", "cortex-a72", "cortex-a76", "neoverse-n1")
"""The cores whose answers were compared with x86 and found equal.

With `-cpu max`, which has SME, dynamic INT8 models answer nonsense (QEMU 7.2).
"""

PACK, PREFIX, BOARD = "pack", "prefix", "board.json"
_QEMUS = ("qemu-aarch64-static", "qemu-aarch64")


class Emulated(Local):
    """Run the pack of an emulated board; files stay where they are."""

    kind: ClassVar[str] = "emulated"
    here: ClassVar[bool] = False
    clients: ClassVar[tuple[str, ...]] = _QEMUS

    @cached_property
    def python(self) -> tuple[str, ...]:
        """Return the emulator with the loader and the Python of the board's pack.

        Raises DeviceError without QEMU, without a board in the folder, or with one that was made
        with other versions than this machine has.
        """
        cpu = checked_cpu(self.settings.cpu)
        emulator, board = find_qemu(), self._board
        knows(emulator, cpu)
        pack = board / PACK
        parts = _pack_contents(pack)
        anew = "make the board anew: `edgepress device emulate PROFILE --out FOLDER`"
        check_versions("the emulated board", parts["pinned"], action=anew)
        return (
            *(emulator, "-cpu", cpu, "-L", str(board / PREFIX)),
            *(str(pack / parts["loader"]), "--inhibit-cache", "--argv0", str(pack / "python")),
            *("--library-path", str(pack / "lib"), str(pack / parts["program"]), "-s"),
        )

    def run(self, command: Sequence[str], *, env: Mapping[str, str]) -> HostProcess:
        """Start a process of the board's Python, which knows only the variables it is given.

        Raises BackendError for any other program: the board has none.
        """
        python = self.python
        if tuple(command[: len(python)]) != python:
            raise BackendError(
                f"{command[0]}: cannot be started on an emulated board",
                expected="the Python of its pack: it has no other program",
                action="run it on a board that is emulated as a system: "
                "`edgepress device emulate PROFILE --system`",
            )
        return HostProcess(command, {"PATH": os.defpath, **env})

    def facts(self) -> Facts:
        """Let a process on the board probe it."""
        return facts_of(self)

    @property
    def _board(self) -> Path:
        named = expanded(self.settings, "the folder of an emulated board")
        folder = Path(named).expanduser().absolute()
        if not (folder / BOARD).is_file():
            raise DeviceError(
                f"{folder}: no emulated board there",
                action="make one: `edgepress device emulate PROFILE`",
                reason="no emulated board there",
            )
        return folder


def checked_cpu(cpu: str | None) -> str:
    """Return a core that may be emulated; raise ProfileError for any other."""
    if cpu in CPUS:
        return str(cpu)
    raise ProfileError(
        f"[transport] cpu = {cpu!r}: not a core that is emulated",
        expected=" or ".join(CPUS),
        action="name one of these: the answers of others were not checked",
    )


def find_qemu() -> str:
    """Return QEMU's program for arm64 programs; raise DeviceError without one."""
    for name in _QEMUS:
        if found := shutil.which(name):
            return found
    raise DeviceError(
        f"{_QEMUS[0]}: not on this machine, so no board can be emulated",
        action="install it: `apt-get install qemu-user-static`",
    )


def knows(emulator: str, cpu: str, *machine: str) -> None:
    """Raise DeviceError where the installed emulator does not know a core.

    `machine` are the arguments of a whole system's emulator that name its board.
    """
    command = [emulator, *machine, "-cpu", "help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    known = [word for word in CPUS if word in done.stdout.split()]
    if cpu not in known:
        raise DeviceError(
            f"{emulator}: this version does not emulate {cpu}",
            available=", ".join(known) or "none of those that are checked",
            action="install a newer QEMU: 7.2 has all of them",
        )


def _pack_contents(pack: Path) -> dict[str, Any]:
    """Return what a pack says of itself; raise DeviceError where there is none."""
    try:
        parts: dict[str, Any] = parse_json((pack / "pack.json").read_text(encoding="utf-8"))
        return {name: parts[name] for name in ("loader", "program", "pinned")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeviceError(
            f"{pack}: no pack there ({error})",
            action="make the board again: `edgepress device emulate PROFILE`",
        ) from None

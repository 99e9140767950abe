"""A transport to a folder of this machine that says that its processor is emulated."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from runtimes.emulation import USER_MODE
from runtimes.facts import Facts
from tests.profiles.elsewhere import Elsewhere


class Emulated(Elsewhere):
    """Stand for a board that a system emulator shows."""

    kind: ClassVar[str] = "imitation"
    why: ClassVar[str] = "a system emulator: the board is QEMU's `virt`"

    def facts(self) -> Facts:
        """Ask a process there, and say that it was emulated."""
        return replace(super().facts(), emulated=self.why)


class EmulatedPrograms(Emulated):
    """Stand for a board whose programs an emulator runs one by one."""

    why: ClassVar[str] = f"{USER_MODE}: programs are arm, the kernel is x86"

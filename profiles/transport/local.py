"""The machine that edgepress runs on."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ClassVar

from profiles.device import TransportSettings
from runtimes.errors import DeviceError
from runtimes.facts import Facts, probe
from runtimes.process import HostProcess


class Local:
    """Reach this machine; its files stay where they are."""

    kind: ClassVar[str] = "local"
    here: ClassVar[bool] = True
    needs_host: ClassVar[bool] = False
    clients: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: TransportSettings | None = None) -> None:
        """Take the settings; there is no host to reach."""
        self.settings = settings or TransportSettings()

    @property
    def python(self) -> tuple[str, ...]:
        """Return the interpreter that runs edgepress."""
        return (sys.executable,)

    def put(self, path: Path) -> str:
        """Return the path itself: the file or folder is already here."""
        return str(path.absolute())

    def run(self, command: Sequence[str], *, env: Mapping[str, str]) -> HostProcess:
        """Start a process here."""
        return HostProcess(command, {**os.environ, **env})

    def get(self, place: str, target: Path) -> None:
        """Copy a file or folder to `target`; raise DeviceError if it does not exist."""
        try:
            if Path(place).is_dir():
                shutil.copytree(place, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(place, target)
        except OSError as error:
            raise DeviceError(
                f"{place}: cannot be copied ({error.strerror})",
                action="check the path, its permissions and the free space",
            ) from None

    def facts(self) -> Facts:
        """Probe this machine."""
        return probe()

    def lock(self) -> AbstractContextManager[str]:
        """Lock nothing: others use this machine anyway, and the noise of a session shows them."""
        return nullcontext("")

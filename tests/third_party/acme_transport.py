"""Acme's transport: a folder of this machine, reached as a board would be.

What runs there sees copies alone: no path, variable or module of this process reaches it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import ClassVar

from profiles.device import TransportSettings
from profiles.transport.serving import facts_of
from runtimes.digest import stable_hash
from runtimes.errors import DeviceError
from runtimes.facts import Facts
from runtimes.files import file_sha256
from runtimes.process import HostProcess


class Wire:
    """Reach the folder that the profile's host names."""

    kind: ClassVar[str] = "acme-wire"
    here: ClassVar[bool] = False
    needs_host: ClassVar[bool] = True
    clients: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: TransportSettings) -> None:
        self.settings = settings
        self.copies = 0

    @property
    def python(self) -> tuple[str, ...]:
        """Return this interpreter, which starts without this process's variables."""
        return (sys.executable,)

    def put(self, path: Path) -> str:
        """Copy a file or folder into a folder that is named by its content."""
        place = self._root / _digest(path) / path.name
        if not place.exists():
            self.copies += 1
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(path, place)
        return str(place)

    def run(self, command: Sequence[str], *, env: Mapping[str, str]) -> HostProcess:
        """Start a process that knows only the variables it is given."""
        return HostProcess(command, {"PATH": os.defpath, **env})

    def get(self, place: str, target: Path) -> None:
        """Copy a file or folder back."""
        if not Path(place).exists():
            raise DeviceError(f"{place}: no such file on {self._root}", action="check the path")
        copy = shutil.copytree if Path(place).is_dir() else shutil.copyfile
        copy(place, target)

    def facts(self) -> Facts:
        """Ask a process there."""
        return facts_of(self)

    def lock(self) -> AbstractContextManager[str]:
        """Lock nothing: one job at a time uses the folder."""
        return nullcontext("")

    @property
    def _root(self) -> Path:
        if self.settings.host is None:
            raise DeviceError("no folder", expected="[transport] host", action="set host")
        return Path(self.settings.host)


def _digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    kept = (file for file in files if file.is_file() and "__pycache__" not in file.parts)
    return stable_hash([[str(file.relative_to(path)), file_sha256(file)] for file in kept])[:16]

"""The protocol of a layout: how one platform takes a package's files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from compress.device.compiling import compile_modules
from compress.device.wheels import Wheel
from compress.package.interpreter import Interpreter
from compress.package.targets import Target
from compress.package.template import MEMORY_MB
from compress.progress import Progress
from compress.release.bom import Library
from runtimes.artifact import Artifact


@dataclass(frozen=True, slots=True)
class Wishes:
    """Hold what a person asks of a layout; each layout names those that it reads."""

    memory_mb: int = MEMORY_MB
    layer: bool = False
    name: str = "edgepress-model"
    package_version: str = "1.0.0"


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Material:
    """Hold what a package is made of: a bundle, and the target's stripped wheels in `site`.

    `scratch` is a folder for what is not part of the package; it lives until that is checked.
    """

    target: Target
    python: str
    bundle: Artifact
    site: Path
    wheels: Sequence[Wheel]
    interpreter: Interpreter
    scratch: Path
    wishes: Wishes = NO_WISHES
    debs: Sequence[Library] = ()

    def compile(self, folder: Path) -> None:
        """Compile the modules below a folder, where a Python of the target's version is here."""
        if self.interpreter.command:
            compile_modules(folder, self.interpreter.command)


@dataclass(frozen=True, slots=True)
class Laid:
    """Say where the finished package answers from, and how large its parts are.

    `paths` are the folders that the platform puts on Python's path, first the one with `module`,
    which has `handler` or `predict`; `starts` are other modules that the platform imports.
    `archives` names each archive's folder, both below the package, and `image` an image layout's.
    """

    paths: tuple[Path, ...]
    sizes: Mapping[str, int]
    archives: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    module: str = "handler"
    starts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """Hold a target with what only a look at its sources tells.

    `interpreter` is the Python that goes with it, `debs` are the Debian packages in it.
    """

    target: Target
    interpreter: Path | None = None
    debs: Sequence[Library] = ()


class Layout(ABC):
    """Arrange a package's files as one platform takes them.

    `wheels` are required beside those of the bundle's runtime; `reads` names the `Wishes` that
    it heeds.
    """

    wheels: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[frozenset[str]] = frozenset()

    def settle(self, target: Target, progress: Progress) -> Settled:
        """Return the target with its Python and its C library; most have them in their row."""
        return Settled(target)

    @abstractmethod
    def write(self, material: Material, folder: Path) -> Laid:
        """Write the package to a new folder: the same bytes from the same material."""

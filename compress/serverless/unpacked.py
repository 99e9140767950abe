"""A package that `edgepress package` wrote: checked, unpacked as the platform does, and ready."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.package.contents import MANIFEST, verify_package
from compress.package.folder import BUNDLE
from compress.serverless.clients import AWS, aws_client, aws_variables, own_client
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import UnsupportedError

_ZIP, _LAYER = "function.zip", "layer.zip"
_LAYER_PACKAGES = "python"


@dataclass(frozen=True, slots=True)
class Size:
    """Hold the bytes of one part of a package, and the most that its platform takes."""

    name: str
    size_bytes: int
    limit_bytes: int | None


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Hold a package's manifest, and where its zips are unpacked."""

    content: Mapping[str, Any]
    function: Path
    packages: Path | None

    @property
    def arch(self) -> str:
        """Return the architecture that it is made for."""
        return str(self.content["arch"])

    @property
    def python(self) -> str:
        """Return the version of Python that it is made for."""
        return str(self.content["python"])

    @property
    def artifact(self) -> Artifact:
        """Return its bundle, as it lies in the function's folder."""
        return read_artifact(self.function / BUNDLE)

    @property
    def sizes(self) -> tuple[Size, ...]:
        """Return the bytes of its parts."""
        names = [key.removesuffix("_limit_bytes") for key in self.content if "_limit_bytes" in key]
        return tuple(
            Size(name, self.content[f"{name}_bytes"], self.content[f"{name}_limit_bytes"])
            for name in names
        )

    def version_of(self, name: str) -> str:
        """Return the version of one of its wheels; empty for none."""
        rows = (row["version"] for row in self.content["wheels"] if row["name"] == name)
        return str(next(rows, ""))

    def started_by(
        self, client: str, interpreter: Sequence[str], scratch: Path
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the command and the variables that start the function with a client."""
        variables: dict[str, str] = {}
        command = own_client(interpreter, self.function)
        if client == AWS:
            command = aws_client(interpreter)
            variables = aws_variables(scratch / AWS, self.arch, self.python)
        paths = [variables.get("PYTHONPATH"), str(self.packages) if self.packages else None]
        found = ":".join(filter(None, paths))
        return tuple(command), {"PYTHONPATH": found} if found else {}


def is_package(folder: Path) -> bool:
    """Tell whether a folder looks like a package: it has a package's manifest."""
    return (folder / MANIFEST).is_file()


def unpack(folder: Path, scratch: Path) -> Unpacked:
    """Verify a package, and unpack its zips to the new folder `scratch`.

    Raises ArtifactError for a package that was changed, UnsupportedError for one of a target that
    has no zip of a function.
    """
    content = verify_package(folder)
    if not (folder / _ZIP).is_file():
        raise UnsupportedError(
            f"{folder}: a package for {content['target']}, which has no {_ZIP}",
            expected="a package for lambda-x86, lambda-arm64 or zip",
            action="package the bundle for one of these; measure a container where it runs",
        )
    function = scratch / "task"
    _extract(folder / _ZIP, function)
    packages = None
    if (folder / _LAYER).is_file():
        _extract(folder / _LAYER, scratch / "opt")
        packages = scratch / "opt" / _LAYER_PACKAGES
    return Unpacked(content, function, packages)


def _extract(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(target)

"""Run Core ML packages on a Mac. No Mac was at hand: what `open` does there was never run."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from runtimes.errors import ArtifactError, BackendError, first_line
from runtimes.packages import import_package, package_availability, require_available
from runtimes.runtime import Availability, Opened, TensorSpec, arrays_for

if TYPE_CHECKING:
    from _typeshed import StrPath

    from runtimes.runtime import Feeds, Outputs

PACKAGE = "model.mlpackage"
"""The package's folder within the zip file; unzipped, Xcode takes it."""


class CoreML:
    """Open zipped .mlpackage folders with Core ML, on macOS alone; rows run one by one."""

    name: ClassVar[str] = "coreml"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"coreml": (f"{PACKAGE}.zip",)}
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    packages: ClassVar[tuple[str, ...]] = (
        "numpy",
        "coremltools",
    )
    deployed: ClassVar[bool] = True

    def availability(self) -> Availability:
        """Tell whether coremltools and Core ML itself are here."""
        state = package_availability("coremltools", "coremltools")
        if state.ok and sys.platform != "darwin":
            reason = f"Core ML runs on macOS alone; this is {sys.platform}, which only converts"
            return Availability(False, reason, state.version)
        return state

    def open(self, model: StrPath, threads: int) -> Opened:
        """Unpack and compile the package; Core ML chooses its threads itself.

        Raises UnsupportedError where Core ML is not, ArtifactError on a damaged file.
        """
        require_available(self)
        coremltools = import_package("coremltools")
        folder = TemporaryDirectory(prefix="edgepress-coreml-")
        try:
            with zipfile.ZipFile(model) as archive:
                archive.extractall(folder.name)
            compiled = coremltools.models.MLModel(str(Path(folder.name) / PACKAGE))
        except Exception as error:  # coremltools raises many of Python's types
            raise ArtifactError(
                f"{model}: Core ML cannot load it ({first_line(error)})",
                expected="an intact .mlpackage in a zip file",
                action="make the artifact again",
            ) from error
        return Opened(self.name, self.availability().version or "unknown", *_runner(compiled))


def _runner(compiled: Any) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...], Any]:
    described = compiled.get_spec().description
    inputs = tuple(TensorSpec(one.name, "int64", ("batch", "sequence")) for one in described.input)
    outputs = tuple(
        TensorSpec(one.name, "float32", ("batch", *one.type.multiArrayType.shape[1:]))
        for one in described.output
    )
    arrays = arrays_for(inputs)

    def run(feeds: Feeds) -> Outputs:
        named = arrays(feeds)
        rows = len(next(iter(named.values())))
        given = [
            {name: array[[row]].astype(np.int32) for name, array in named.items()}
            for row in range(rows)
        ]
        try:
            answers = [compiled.predict(one) for one in given]
        except Exception as error:  # coremltools raises RuntimeError for nearly every fault
            raise BackendError(
                f"Core ML: {first_line(error)}",
                action="try one row alone; where that fails too, export the model again",
            ) from error
        return {spec.name: np.concatenate([one[spec.name] for one in answers]) for spec in outputs}

    return inputs, outputs, run

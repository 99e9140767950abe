"""Acme's stage: store an exported ONNX model compressed, for Acme's runtime."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.stage import Made, Outline, RunContext, Stage
from runtimes.artifact import Artifact


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Squeeze(Stage):
    """Compress model.onnx with gzip."""

    kind: ClassVar[str] = "acme-squeeze"
    accepts: ClassVar[tuple[str, ...]] = ("onnx",)
    uses_data: ClassVar[bool] = False

    level: Annotated[int, Field(ge=1, le=9)] = 6

    def leaves(self, source: Outline) -> Outline:
        """Return the same model in format acme."""
        return dataclasses.replace(source, format="acme")

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Write model.onnx.gz, and copy what lies beside the model."""
        for name in source.files:
            if name != "model.onnx":
                shutil.copyfile(source.path / name, folder / name)
        packed = gzip.compress(source.model_file.read_bytes(), self.level, mtime=0)
        (folder / "model.onnx.gz").write_bytes(packed)
        return Made.like(source, format="acme")

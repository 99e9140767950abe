"""A stage that copies its source: as real as a stage gets in a millisecond."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import ClassVar

from pydantic.dataclasses import dataclass

from compress.stage import Made, RunContext
from runtimes.artifact import MANIFEST, Artifact


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy the source; `fails` runs out of disk half-way."""

    kind: ClassVar[str] = "copy"
    accepts: ClassVar[tuple[str, ...]] = ("huggingface",)
    retrains: ClassVar[bool] = True
    uses_data: ClassVar[bool] = True

    note: str = ""
    fails: bool = False
    student: str | None = None

    def produces(self, source_format: str) -> str:
        """Return the same format."""
        return source_format

    def check(self, model_type: str, source_format: str) -> list[str]:
        """Find nothing wrong."""
        return []

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Copy every file but the manifest."""
        for file in sorted(source.path.iterdir()):
            if file.name != MANIFEST:
                shutil.copyfile(file, folder / file.name)
            if self.fails:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / file.name))
        return Made(
            format=source.format,
            precision=source.precision,
            labels=source.labels,
            max_length=source.max_length,
            parameters=source.parameters,
            inputs=source.inputs,
            outputs=source.outputs,
            model_type=source.model_type,
            metrics={"copied": 1.0},
        )

"""Stages that copy their source: real stages that take a millisecond."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from pathlib import Path
from typing import ClassVar

from pydantic.dataclasses import dataclass

from compress.stage import TORCH, Made, Outline, RunContext, Stage
from runtimes.artifact import Artifact
from runtimes.listed import MANIFEST


@dataclass(frozen=True, slots=True)
class Copy(Stage):
    """Copy the source; with `fails`, run out of disk half-way."""

    kind: ClassVar[str] = "copy"
    accepts: ClassVar[tuple[str, ...]] = (TORCH,)
    retrains: ClassVar[bool] = True
    model_settings: ClassVar[tuple[str, ...]] = ("student",)

    note: str = ""
    fails: bool = False
    student: str | None = None

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Copy every file but the manifest."""
        copy_files(source, folder, fails=self.fails)
        return Made.like(source, metrics={"copied": 1.0})


@dataclass(frozen=True, slots=True)
class Convert(Stage):
    """Call an ONNX model one of another format."""

    kind: ClassVar[str] = "convert"
    accepts: ClassVar[tuple[str, ...]] = ("onnx",)

    to: str = "onnx"

    def leaves(self, source: Outline) -> Outline:
        """Return the source in the other format."""
        return dataclasses.replace(source, format=self.to)

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Copy every file but the manifest."""
        copy_files(source, folder)
        return Made.like(source, format=self.to)


@dataclass(frozen=True, slots=True)
class Teach(Stage):
    """Call the source the teacher."""

    kind: ClassVar[str] = "teach"
    accepts: ClassVar[tuple[str, ...]] = (TORCH,)
    teaches: ClassVar[bool] = True

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Copy every file but the manifest."""
        copy_files(source, folder)
        return Made.like(source)


def copy_files(source: Artifact, folder: Path, *, fails: bool = False) -> None:
    """Copy every file but the manifest; with `fails`, run out of disk half-way."""
    for file in sorted(source.path.iterdir()):
        if file.name != MANIFEST:
            shutil.copyfile(file, folder / file.name)
        if fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / file.name))

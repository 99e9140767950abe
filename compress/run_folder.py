"""The folder of a run: whose it is, what lies in it, and what a killed run left."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import InputError
from runtimes.files import new_folder, write_json

MARKER = "run.json"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Hold one run's results below `path`."""

    path: Path

    def claim(self, name: str, *, fresh: bool) -> None:
        """Make the folder this run's own.

        Raises InputError when it holds something else, or another recipe's run and not `fresh`.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path}: not a folder", action="choose another --out")
        if self.path.is_dir() and any(self.path.iterdir()):
            self._check_owner(name, fresh)
        self.path.mkdir(parents=True, exist_ok=True)
        if fresh:
            self._empty()
        self._sweep()
        write_json(self.path / MARKER, {"edgepress_run": 1, "name": name})

    def keep(self, artifact: Artifact, name: str) -> Artifact:
        """Copy an artifact of the cache into the folder, unless it is there already."""
        target = self.path / name
        if _same(target, artifact):
            return read_artifact(target)
        with new_folder(target) as folder:
            shutil.copytree(artifact.path, folder, dirs_exist_ok=True)
        return read_artifact(target)

    def _check_owner(self, name: str, fresh: bool) -> None:
        try:
            owner = json.loads((self.path / MARKER).read_text(encoding="utf-8"))["name"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.path}: holds files that are not a run's",
                expected="an empty or new folder, or one that `edgepress run` made",
                action="choose another --out",
            ) from error
        if owner != name and not fresh:
            raise InputError(
                f"{self.path}: holds the run of another recipe, {owner!r}",
                action="choose another --out, or --fresh to replace it",
            )

    def _empty(self) -> None:
        """Remove what runs write, and nothing that a person put there."""
        for path in self.path.iterdir():
            if path.is_dir() and ((path / "artifact.json").is_file() or path.name == "bundle"):
                shutil.rmtree(path)
            elif path.name in ("report.json", "report.html", "report.md", "samples.jsonl"):
                path.unlink()

    def _sweep(self) -> None:
        """Remove half-made folders: their names start with a dot and end in random letters."""
        for path in self.path.glob(".*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)


def _same(folder: Path, artifact: Artifact) -> bool:
    try:
        kept = read_artifact(folder)
        kept.verify()
    except InputError:
        return False
    return kept.digest == artifact.digest and kept.history == artifact.history

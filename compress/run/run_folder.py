"""The folder of a run: its owner, its files, and leftovers of a killed run."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from compress.run.lock import lock
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import InputError
from runtimes.files import new_folder, write_json
from runtimes.parsing import parse_json

MARKER = "run.json"

_HALF_MADE = re.compile(
    r"\.(\d\d-[a-z0-9_-]+|reference|bundle|run\.json|report\.(json|html|md)|samples\.jsonl)"
    r"(\.old)?[.-][A-Za-z0-9_.]+"
)
"""The names that start, before the first dot, the files and folders of a killed run."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Hold one run's results below `path`."""

    path: Path

    def claim(self, name: str, *, fresh: bool) -> None:
        """Make the folder this run's own.

        Raises InputError when it holds other files, or, without `fresh`, another recipe's run, or
        while another process writes it.
        """
        owner = self.owner()
        if owner not in (None, name) and not fresh:
            raise InputError(
                f"{self.path}: holds the run of another recipe, {owner!r}",
                expected=f"an empty folder, or a run of {name!r}",
                action="choose another --out, or --fresh to replace it",
            )
        self.path.mkdir(parents=True, exist_ok=True)
        lock(self.path)
        if fresh:
            self._empty()
        self._sweep()
        write_json(self.path / MARKER, {"edgepress_run": 1, "name": name})

    def owner(self) -> str | None:
        """Return the name of the recipe whose run is here, None for a new or empty folder.

        Raises InputError when the folder holds files that no run wrote.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(
                f"{self.path}: a file", expected="a folder", action="choose another --out"
            )
        if not self.path.is_dir() or all(map(_left_over, self.path.iterdir())):
            return None
        try:
            return str(parse_json((self.path / MARKER).read_text(encoding="utf-8"))["name"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.path}: holds files that are not a run's",
                expected="an empty or new folder, or one that `edgepress run` made",
                action="choose another --out",
            ) from error

    def keep(self, artifact: Artifact, name: str) -> Artifact:
        """Copy an artifact of the cache into the folder, unless it is already there."""
        target = self.path / name
        if _same(target, artifact):
            return read_artifact(target)
        with new_folder(target) as folder:
            artifact.copy(folder)
        return read_artifact(target)

    def _empty(self) -> None:
        """Remove the files that runs write, and no others."""
        for path in self.path.iterdir():
            if path.is_dir() and ((path / "artifact.json").is_file() or path.name == "bundle"):
                shutil.rmtree(path)
            elif path.name in ("report.json", "report.html", "report.md", "samples.jsonl"):
                path.unlink()

    def _sweep(self) -> None:
        """Remove what a killed run was writing, and no other hidden file."""
        for path in filter(_left_over, self.path.iterdir()):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _left_over(path: Path) -> bool:
    return _HALF_MADE.fullmatch(path.name) is not None


def _same(folder: Path, artifact: Artifact) -> bool:
    try:
        kept = read_artifact(folder)
        kept.verify()
    except InputError:
        return False
    return kept.digest == artifact.digest and kept.history == artifact.history

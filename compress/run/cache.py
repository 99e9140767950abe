"""Finished stages, cached by everything that their result depends on."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from compress.models.teacher import open_model
from compress.places import cache_root
from compress.run.cache_owner import check_ours, claim
from compress.stage import RunContext, Stage, Target, execute, settings_of, tool_versions
from compress.storage.seal import is_sealed_folder, seal_folder
from compress.storage.sources import code_digest
from compress.tasks import task_of
from runtimes.artifact import Artifact, is_artifact, open_artifact, read_artifact
from runtimes.digest import stable_hash
from runtimes.errors import ArtifactError
from runtimes.files import folder_bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """Describe one entry of the cache, for people."""

    name: str
    kind: str
    size_mb: float
    age_days: float
    path: Path


@dataclass(frozen=True, slots=True)
class Cache:
    """Keep artifacts, unfinished training and shared answers below one folder."""

    root: Path

    @property
    def shared(self) -> Path:
        """Return the folder of files that several stages share."""
        return self.root / "shared"

    def make(
        self, stage: Stage, source: Artifact, context: RunContext, *, fresh: bool = False
    ) -> tuple[Artifact, bool]:
        """Return the stage's artifact and whether it was there already.

        A cached artifact that was changed, or that another user made, is made again. The work of a
        killed process is continued, since the scratch folder belongs to the key. `fresh` starts
        again without both.
        """
        claim(self.root)
        key = stage_key(stage, source, context)
        target = self.root / "stages" / key
        context = dataclasses.replace(
            context,
            scratch=self.root / "scratch" / key,
            target=context.target if stage.uses_target else Target(),
        )
        with self._lock(key):
            if fresh:
                shutil.rmtree(target, ignore_errors=True)
                shutil.rmtree(context.scratch, ignore_errors=True)
            kept = intact(target)
            if kept is not None:
                os.utime(target)
                return kept, True
            made = execute(stage, source, context, target)
            seal_folder(target)
            shutil.rmtree(context.scratch, ignore_errors=True)
            return made, False

    def find(self, stage: Stage, source: Artifact, context: RunContext) -> Artifact | None:
        """Return what `make` would find, None where it would carry out the stage."""
        return intact(self.root / "stages" / stage_key(stage, source, context))

    def entries(self) -> list[Entry]:
        """List the entries, the largest first; raise InputError where the folder is another's."""
        check_ours(self.root)
        entries = [
            _entry(path)
            for part in ("stages", "scratch", "shared", "merged", "packs", "debs", "wheels")
            for path in sorted((self.root / part).glob("*"))
        ]
        return sorted((entry for entry in entries if entry), key=lambda entry: -entry.size_mb)

    def prune(self, older_than_days: float) -> list[Entry]:
        """Remove entries that were not used for so many days and are not in use; return them."""
        gone = [entry for entry in self.entries() if entry.age_days >= older_than_days]
        return [entry for entry in gone if self._remove(entry.path)]

    def _remove(self, path: Path) -> bool:
        try:
            with self._lock(_key(path), wait=False):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        except Timeout:
            return False  # a run is making it
        return True

    def _lock(self, key: str, *, wait: bool = True) -> FileLock:
        """Let one process at a time make a stage; others wait and then use the result.

        The system releases a killed process's lock. Raises Timeout when another process holds the
        lock and `wait` is False.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / key, timeout=-1 if wait else 0)


def default_cache() -> Cache:
    """Return the user's cache."""
    return Cache(cache_root())


def stage_key(stage: Stage, source: Artifact, context: RunContext) -> str:
    """Return the SHA-256 of everything that a stage's result depends on."""
    task = type(task_of(source.task)).__module__
    return stable_hash(
        {
            "source": source.digest,
            "kind": stage.kind,
            "settings": settings_of(stage),
            "models": _model_digests(stage, source.task),
            "data": context.data.digest if stage.uses_data else None,
            "teacher": context.teacher.digest if context.teacher and stage.retrains else None,
            "seed": context.seed,
            "target": _target(context.target) if stage.uses_target else None,
            "code": [code_digest(module) for module in (*stage.modules, task)],
            "tools": tool_versions(),
        }
    )


def _target(target: Target) -> list[Any]:
    return [target.runtime, target.int8_dot]


def _model_digests(stage: Stage, task: str) -> dict[str, str]:
    """Return the digests of the models that the stage's settings name."""
    return {name: open_model(path, task=task).digest for name, path in stage.models().items()}


def intact(folder: Path) -> Artifact | None:
    """Return a cached artifact; remove one that was changed, or that is not this user's."""
    if not is_artifact(folder):
        return None
    try:
        if is_sealed_folder(folder):
            return open_artifact(folder)
    except ArtifactError:
        pass  # it is made again, like one without a seal
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _key(path: Path) -> str:
    """Return the stage key of a folder, finished or unfinished."""
    return path.name.lstrip(".").partition(".")[0]


def _entry(path: Path) -> Entry | None:
    """Describe a file or folder of the cache; None when it was just removed."""
    try:
        return Entry(
            name=path.name[:12],
            kind=_kind(path),
            size_mb=(folder_bytes(path) if path.is_dir() else path.stat().st_size) / 1e6,
            age_days=(time.time() - path.stat().st_mtime) / 86400,
            path=path,
        )
    except FileNotFoundError:
        return None


_KINDS = {
    "scratch": "unfinished",
    "merged": "merged adapter",
    "packs": "pack for a device",
    "debs": "Debian package",
    "wheels": "wheel",
}


def _kind(path: Path) -> str:
    if path.parent.name != "stages":
        return _KINDS.get(path.parent.name, "logits")
    if path.name.startswith(".") or not is_artifact(path):
        return "left by a killed run"
    try:
        history = read_artifact(path).history
    except ArtifactError:
        return "damaged"
    return history[-1].kind if history else "teacher"

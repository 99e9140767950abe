"""A model on disk: a folder with its files, a manifest and its lineage from the teacher on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from runtimes.contents import (
    ListedFile,
    check_files,
    digest_of,
    files_from_json,
    files_to_json,
    list_files,
)
from runtimes.errors import ArtifactError, UnsupportedError
from runtimes.files import write_json
from runtimes.manifest import MANIFEST, Manifest
from runtimes.runtime import TensorSpec, model_files
from runtimes.tasks import TASKS

SCHEMA_VERSION = 2

_PICKLES = ("pytorch_model.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True, slots=True)
class StageRecord:
    """Record one step of an artifact's lineage."""

    kind: str
    settings: Mapping[str, Any]
    seconds: float
    tools: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Artifact:
    """Name a model folder and what is in it.

    `labels[i]` is the class of logit `i`. `max_length` counts tokens, specials included.
    `files` are those that it is made of, by their path below the folder; what else lies there
    has no part in it.
    """

    path: Path
    format: str
    precision: str
    task: str
    labels: tuple[str, ...]
    max_length: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    parameters: int
    files: Mapping[str, ListedFile]
    history: tuple[StageRecord, ...] = ()
    model_type: str = "unknown"

    @property
    def digest(self) -> str:
        """Return the SHA-256 over the listed files: lineage and timings do not change it."""
        return digest_of(self.files)

    @property
    def device_manifest(self) -> Manifest:
        """Return what running the model needs of the manifest."""
        return Manifest(self.format, self.task, self.labels, self.max_length)

    @property
    def model_file(self) -> Path:
        """Return the file that a runtime is given."""
        return self.path / model_files(self.format)[0]

    def size_bytes(self) -> int:
        """Return the bytes of all that must be shipped to answer.

        These are the model's own files, what its task reads (a tokenizer), and the manifest.
        """
        names = [file.name for file in self.model_files()]
        names += [name for name in TASKS.resolve(self.task).files if name in self.files]
        listed = sum(self.files[name].size_bytes for name in dict.fromkeys(names))
        manifest = self.path / MANIFEST  # a teacher's own folder has none
        return listed + (manifest.stat().st_size if manifest.is_file() else 0)

    def model_files(self) -> list[Path]:
        """Return the model's own files: the one that a runtime is given, then those beside it."""
        patterns = model_files(self.format)
        names = (name for one in patterns for name in sorted(self.files) if fnmatchcase(name, one))
        return [self.path / name for name in dict.fromkeys(names) if "/" not in name]

    @property
    def size_mb(self) -> float:
        """Return the size of all that must be shipped to answer, in MB (10^6 bytes)."""
        return self.size_bytes() / 1e6

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's content; no path of this machine is in it."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del content["path"], content["history"]
        for key in ("inputs", "outputs"):
            content[key] = [spec._asdict() for spec in content[key]]
        return {
            "schema_version": SCHEMA_VERSION,
            **content,
            "digest": self.digest,
            "files": files_to_json(self.files),
            "history": [dataclasses.asdict(record) for record in self.history],
        }

    def verify(self) -> None:
        """Raise ArtifactError when a listed file is missing or not as it was written."""
        check_files(self.path, self.files)

    def copy(self, folder: Path) -> None:
        """Copy the manifest and the files that it lists into a folder."""
        for name in (MANIFEST, *self.files):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.path / name, target)


def write_artifact(
    folder: Path,
    *,
    format: str,  # noqa: A002 - the manifest's own word
    precision: str,
    task: str,
    labels: tuple[str, ...],
    max_length: int,
    inputs: tuple[TensorSpec, ...],
    outputs: tuple[TensorSpec, ...],
    parameters: int,
    history: tuple[StageRecord, ...] = (),
    model_type: str = "unknown",
) -> Artifact:
    """Write the manifest of a finished folder and return its artifact."""
    artifact = Artifact(
        path=folder,
        format=format,
        precision=precision,
        task=task,
        labels=labels,
        max_length=max_length,
        inputs=inputs,
        outputs=outputs,
        parameters=parameters,
        files=list_files(folder),
        history=history,
        model_type=model_type,
    )
    write_json(folder / MANIFEST, artifact.to_json())
    return artifact


def write_like(source: Artifact, folder: Path, **changes: Any) -> Artifact:
    """Write the manifest of a finished folder with `source`'s description but for `changes`."""
    artifact = dataclasses.replace(source, path=folder, files=list_files(folder), **changes)
    write_json(folder / MANIFEST, artifact.to_json())
    return artifact


def read_artifact(folder: Path) -> Artifact:
    """Read an artifact folder's manifest.

    Raises ArtifactError when the folder, the manifest or the model file is missing, or was
    written by another schema.
    """
    content = _read_manifest(folder)
    artifact = _described(folder, content)
    if content.get("digest") != artifact.digest:
        raise ArtifactError(
            f"{folder / MANIFEST}: its digest is not that of the files that it lists",
            expected=artifact.digest,
            available=str(content.get("digest")),
            action="make or copy the artifact again; the manifest was edited",
        )
    try:
        model = artifact.model_file
    except UnsupportedError as error:
        raise ArtifactError(f"{folder}: {error.received}", expected=error.expected) from None
    if model.name not in artifact.files or not model.is_file():
        raise ArtifactError(
            f"{folder}: its manifest says format {artifact.format!r}, but the model is not there",
            expected=model.name,
            action="make or copy the artifact again",
        )
    return artifact


def open_artifact(folder: Path) -> Artifact:
    """Read an artifact folder's manifest and check every file that it lists.

    Raises ArtifactError as `read_artifact` and `Artifact.verify` do.
    """
    artifact = read_artifact(folder)
    artifact.verify()
    return artifact


def is_artifact(folder: Path) -> bool:
    """Tell whether a folder carries an edgepress manifest."""
    return (folder / MANIFEST).is_file()


def refuse_pickles(folder: Path) -> None:
    """Raise ArtifactError when a folder's weights are a pickle: loading one runs its code."""
    if any(folder.glob("*.safetensors")):
        return
    for pattern in _PICKLES:
        for file in sorted(folder.glob(pattern)):
            raise ArtifactError(
                f"{file}: a pickle checkpoint; loading one can run any code",
                expected="model.safetensors",
                action='convert it where you trust it: python -c "import torch, safetensors.torch'
                f" as s; s.save_file(torch.load('{file.name}', weights_only=True),"
                " 'model.safetensors')\"",
            )


def _read_manifest(folder: Path) -> dict[str, Any]:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise ArtifactError(
            f"{folder}: not an artifact folder",
            expected=f"a folder with {MANIFEST}, as every edgepress step writes it",
            available="no such folder" if not folder.is_dir() else "a folder without it",
        )
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{manifest}: not JSON ({error})") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"{manifest}: schema_version {version!r}",
            expected=str(SCHEMA_VERSION),
            action="make the artifact again with this version of edgepress",
        )
    return dict(content)


def _described(folder: Path, content: Mapping[str, Any]) -> Artifact:
    try:
        return Artifact(
            path=folder,
            format=content["format"],
            precision=content["precision"],
            task=content["task"],
            labels=tuple(content["labels"]),
            max_length=content["max_length"],
            inputs=tuple(_spec(row) for row in content["inputs"]),
            outputs=tuple(_spec(row) for row in content["outputs"]),
            parameters=content["parameters"],
            files=files_from_json(content["files"]),
            history=tuple(StageRecord(**row) for row in content["history"]),
            model_type=content.get("model_type", "unknown"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"{folder / MANIFEST}: a field is missing or malformed ({error})",
            expected=f"a manifest of schema_version {SCHEMA_VERSION}",
            action="make the artifact again with this version of edgepress",
        ) from error


def _spec(row: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(row["name"], row["dtype"], tuple(row["shape"]))

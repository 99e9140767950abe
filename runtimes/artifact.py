"""A model on disk: a folder with its files, a manifest and its lineage from the teacher on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtimes.errors import ArtifactError, UnsupportedError
from runtimes.files import file_sha256, stable_hash, write_json
from runtimes.manifest import MANIFEST, Manifest
from runtimes.runtime import TensorSpec, model_files

SCHEMA_VERSION = 1

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
    `digest` covers the content of every file but the manifest, so lineage and timings
    do not change it.
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
    digest: str
    history: tuple[StageRecord, ...] = ()
    model_type: str = "unknown"

    @property
    def device_manifest(self) -> Manifest:
        """Return what running the model needs of the manifest."""
        return Manifest(self.format, self.task, self.labels, self.max_length)

    @property
    def model_file(self) -> Path:
        """Return the file that a runtime is given."""
        return self.path / model_files(self.format)[0]

    def size_bytes(self) -> int:
        """Return the bytes of the model's own files: graph and weights, not the tokenizer."""
        return sum(file.stat().st_size for file in self.files())

    def files(self) -> list[Path]:
        """Return the model's own files: the one that a runtime is given, then those beside it."""
        found = (self.path.glob(pattern) for pattern in model_files(self.format))
        return list(dict.fromkeys(file for files in found for file in sorted(files)))

    @property
    def size_mb(self) -> float:
        """Return the model's size in MB (10^6 bytes)."""
        return self.size_bytes() / 1e6

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's content; no path of this machine is in it."""
        content = dataclasses.asdict(self)
        del content["path"]
        for key in ("inputs", "outputs"):
            content[key] = [spec._asdict() for spec in content[key]]
        return {"schema_version": SCHEMA_VERSION, **content}

    def verify(self) -> None:
        """Raise ArtifactError when the files are not those that the manifest was written for."""
        found = content_digest(self.path)
        if found != self.digest:
            raise ArtifactError(
                f"{self.path}: the files do not match {MANIFEST}",
                expected=f"digest {self.digest[:12]}",
                available=f"digest {found[:12]}",
                action="make the artifact again; something changed or truncated a file in it",
            )


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
        digest=content_digest(folder),
        history=history,
        model_type=model_type,
    )
    write_json(folder / MANIFEST, artifact.to_json())
    return artifact


def read_artifact(folder: Path) -> Artifact:
    """Read an artifact folder's manifest.

    Raises ArtifactError when the folder, the manifest or the model file is missing, or was
    written by another schema.
    """
    content = _read_manifest(folder)
    try:
        artifact = Artifact(
            path=folder,
            format=content["format"],
            precision=content["precision"],
            task=content["task"],
            labels=tuple(content["labels"]),
            max_length=content["max_length"],
            inputs=tuple(_spec(row) for row in content["inputs"]),
            outputs=tuple(_spec(row) for row in content["outputs"]),
            parameters=content["parameters"],
            digest=content["digest"],
            history=tuple(StageRecord(**row) for row in content["history"]),
            model_type=content.get("model_type", "unknown"),
        )
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"{folder / MANIFEST}: field {error} is missing or malformed",
            expected=f"a manifest of schema_version {SCHEMA_VERSION}",
            action="make the artifact again with this version of edgepress",
        ) from error
    try:
        found = artifact.model_file.is_file()
    except UnsupportedError as error:
        raise ArtifactError(f"{folder}: {error.received}", expected=error.expected) from None
    if not found:
        raise ArtifactError(
            f"{folder}: its manifest says format {artifact.format!r}, but the model is not there",
            expected=artifact.model_file.name,
        )
    return artifact


def is_artifact(folder: Path) -> bool:
    """Tell whether a folder carries an edgepress manifest."""
    return (folder / MANIFEST).is_file()


def content_digest(folder: Path) -> str:
    """Return the SHA-256 over names and contents of all files but the manifest."""
    return stable_hash(
        [
            [file.relative_to(folder).as_posix(), file_sha256(file)]
            for file in _content_files(folder)
        ]
    )


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


def _content_files(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = (
        path
        for path in files
        if path.name != MANIFEST and "__pycache__" not in path.relative_to(folder).parts
    )
    return sorted(kept, key=lambda path: path.relative_to(folder).as_posix())


def _spec(row: Mapping[str, Any]) -> TensorSpec:
    return TensorSpec(row["name"], row["dtype"], tuple(row["shape"]))

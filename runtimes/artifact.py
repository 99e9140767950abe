"""A model on disk: a folder with its files, a manifest and its lineage from the teacher on."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from runtimes import fields
from runtimes.contents import check_files, digest_of, list_files, stamp_of
from runtimes.digest import stable_hash
from runtimes.errors import ArtifactError, UnsupportedError
from runtimes.listed import MANIFEST, ListedFile, files_from_json, files_to_json
from runtimes.manifest import MOST_TOKENS, Manifest, malformed, read_content, write_content
from runtimes.runtime import TensorSpec, model_files
from runtimes.tasks import TASKS, DeviceTask, needs_of

_NOT_DESCRIBED = {"path", "files", "history", "provenance"}
_PICKLES = ("pytorch_model.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


@dataclass(frozen=True)
class StageRecord:
    """Record one step of an artifact's lineage."""

    kind: str
    settings: Mapping[str, Any]
    seconds: float
    tools: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    """The digest of the artifact that it took, "" for a model of another tool."""


@dataclass(frozen=True)
class Artifact:
    """Name a model folder and what is in it.

    `labels[i]` is the class of logit `i`. `max_length` counts tokens, specials included.
    `files` are those that it is made of, by their path below the folder; what else lies there
    has no part in it. `provenance` says what it comes from, by part: `teacher`, `data`, `code`,
    `recipe`.
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
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return the SHA-256 over the files and what the manifest says of the model.

        The lineage does not change it, with its timings, nor does the folder's place.
        """
        return stable_hash([self._description(), digest_of(self.files)])

    @property
    def device_manifest(self) -> Manifest:
        """Return what running the model needs of the manifest."""
        inputs = tuple(spec.name for spec in self.inputs)
        return Manifest(
            self.format, self.task, self.labels, self.max_length, self.files, inputs=inputs
        )

    @property
    def model_file(self) -> Path:
        """Return the file that a runtime is given."""
        return self.path / model_files(self.format)[0]

    def size_bytes(self) -> int:
        """Return the bytes of all that must be shipped to answer.

        These are the model's own files, what its task reads (a tokenizer), and the manifest.
        """
        names = [file.name for file in self.model_files()]
        names += [name for name in self.task_files() if name in self.files]
        listed = sum(self.files[name].size_bytes for name in dict.fromkeys(names))
        manifest = self.path / MANIFEST  # a teacher's own folder has none
        return listed + (manifest.stat().st_size if manifest.is_file() else 0)

    def task_files(self) -> tuple[str, ...]:
        """Return the files that the task reads for this model."""
        task: type[DeviceTask] = TASKS.resolve(self.task)
        needed = needs_of(task, [spec.name for spec in self.inputs]).files
        optional = getattr(task, "optional_files", ()) if needed else ()
        return (*needed, *(name for name in optional if name in self.files))

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
        return {
            **self._description(),
            "digest": self.digest,
            "files": files_to_json(self.files),
            "provenance": self.provenance,
            "history": [dataclasses.asdict(record) for record in self.history],
        }

    def _description(self) -> dict[str, Any]:
        """Return what the manifest says of the model itself."""
        names = {column.name for column in dataclasses.fields(self)}
        content = {name: getattr(self, name) for name in sorted(names - _NOT_DESCRIBED)}
        for key in ("inputs", "outputs"):
            content[key] = [spec._asdict() for spec in content[key]]
        return content

    def verify(self) -> None:
        """Raise ArtifactError when a listed file is missing or not as it was written."""
        check_files(self.path, self.files)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Raise ArtifactError unless the files are as written, and not replaced inside the block.

        A file that is put back before the block ends is found too, by its times.
        """
        self.verify()
        before = self._stamps()
        yield
        self.verify()
        if replaced := [name for name, stamp in self._stamps().items() if stamp != before[name]]:
            raise ArtifactError(
                f"{self.path}: {replaced[0]} was replaced while the model was in use",
                expected="files that stay as they are until the command ends",
                action="run the command again; give a copy that nothing else writes to",
            )

    def _stamps(self) -> dict[str, tuple[int, ...]]:
        return {name: stamp_of(self.path / name) for name in self.files}

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
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
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
        provenance=provenance or {},
    )
    write_content(folder, artifact.to_json())
    return artifact


def write_like(source: Artifact, folder: Path, **changes: Any) -> Artifact:
    """Write the manifest of a finished folder with `source`'s description but for `changes`."""
    artifact = dataclasses.replace(source, path=folder, files=list_files(folder), **changes)
    write_content(folder, artifact.to_json())
    return artifact


def read_artifact(folder: Path) -> Artifact:
    """Read an artifact folder's manifest.

    Raises ArtifactError when the folder, the manifest or the model file is missing, or the manifest
    is of another schema, was edited, or has a field of another type.
    """
    content = read_content(folder)
    try:
        artifact = _described(folder, content)
    except (ValueError, TypeError, KeyError) as error:
        raise malformed(folder, error) from error
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
        raise ArtifactError(
            f"{folder}: {error.received}", expected=error.expected, action=error.action
        ) from None
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


def _described(folder: Path, content: Mapping[str, Any]) -> Artifact:
    """Return the artifact that a manifest describes; raise ValueError for a malformed field."""
    return Artifact(
        path=folder,
        format=fields.text(content, "format"),
        precision=fields.text(content, "precision"),
        task=fields.text(content, "task"),
        labels=fields.texts(content, "labels"),
        max_length=fields.whole(content, "max_length", 1, MOST_TOKENS),
        inputs=tuple(map(_spec, fields.rows(content, "inputs"))),
        outputs=tuple(map(_spec, fields.rows(content, "outputs"))),
        parameters=fields.whole(content, "parameters", 0),
        files=files_from_json(fields.mapping(content, "files")),
        history=tuple(map(_record, fields.rows(content, "history"))),
        model_type=fields.text(content, "model_type"),
        provenance=_provenance(fields.mapping(content, "provenance")),
    )


def _provenance(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {part: fields.mapping(content, part) for part in content}


def _record(row: Mapping[str, Any]) -> StageRecord:
    return StageRecord(
        kind=fields.text(row, "kind"),
        settings=fields.mapping(row, "settings"),
        seconds=fields.number(row, "seconds"),
        tools=fields.named_texts(row, "tools"),
        metrics=fields.mapping(row, "metrics"),
        source=row["source"] and fields.text(row, "source"),
    )


def _spec(row: Mapping[str, Any]) -> TensorSpec:
    shape = row.get("shape")
    if not isinstance(shape, list) or not all(type(size) in (int, str) for size in shape):
        raise ValueError(f"'shape' is {shape!r}; expected a list of sizes and of names")
    return TensorSpec(fields.text(row, "name"), fields.text(row, "dtype"), tuple(shape))

"""A model's safetensors, in one file or in shards: read its header, or write it as one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtimes.errors import ArtifactError
from runtimes.parsing import parse_json

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """Return the file of a folder's weights, or the shards that its index names.

    Raises ArtifactError when there is neither, or a shard is missing or outside the folder.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise ArtifactError(
            f"{folder}: no {WEIGHTS}",
            expected=f"{WEIGHTS}, or {INDEX} and its shards",
            available=_names(folder),
            action="save it with model.save_pretrained(folder, safe_serialization=True)",
        )
    return [_shard(folder, name) for name in sorted(set(_index(folder).values()))]


def read_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor by name, from the headers alone.

    Raises ArtifactError for a truncated file, or shards without tensors that the index names.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder):
        shapes |= _shapes(file)
    lost = sorted(set(_index(folder)) - set(shapes)) if (folder / INDEX).is_file() else []
    if lost:
        raise ArtifactError(
            f"{folder / INDEX}: {len(lost)} tensors are in no shard, such as {lost[0]!r}",
            action="copy or download the model again",
        )
    return shapes


def write_whole(folder: Path, target: Path) -> None:
    """Write all of a folder's weights to one file."""
    from safetensors.torch import load_file, save_file

    tensors: dict[str, Any] = {}
    for file in weight_files(folder):
        tensors |= load_file(file)
    save_file(tensors, target, metadata={"format": "pt"})


def _shapes(file: Path) -> dict[str, tuple[int, ...]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as stream:
            return {name: tuple(stream.get_slice(name).get_shape()) for name in stream.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise ArtifactError(
            f"{file}: not an intact safetensors file ({error})",
            expected="a header and all bytes that it lists",
            action="copy or download it again",
        ) from error


def _index(folder: Path) -> Mapping[str, str]:
    file = folder / INDEX
    try:
        names = parse_json(file.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): str(shard) for name, shard in names.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{file}: not an index of weights ({error!r})",
            expected='{"weight_map": {"tensor": "file", …}}',
            action="copy or download the model again",
        ) from error


def _shard(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise ArtifactError(
            f"{folder / INDEX}: names the shard {name!r}",
            expected="plain file names beside the index",
            action="do not use a model that reads other files of this machine",
        )
    if not (folder / name).is_file():
        raise ArtifactError(
            f"{folder}: the shard {name} is missing",
            expected=f"every file that {INDEX} names",
            available=_names(folder),
            action="copy or download the model again",
        )
    return folder / name


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())[:12]) or "an empty folder"

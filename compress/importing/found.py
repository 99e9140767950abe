"""Find the one model in another tool's output, and the files that describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from runtimes.artifact import is_artifact
from runtimes.errors import ArtifactError, InputError
from runtimes.onnx_external import check_external_data, external_locations
from runtimes.parsing import parse_json

FORMATS = {".onnx": "onnx", ".xml": "openvino"}
"""The formats of models that are imported, by the file's suffix."""

_TOKENIZER_GRAPHS = ("openvino_tokenizer.xml", "openvino_detokenizer.xml")
"""What optimum-intel writes beside a model for openvino-tokenizers."""


@dataclass(frozen=True)
class Found:
    """Name a model's file and the folders whose files describe it, the nearest first."""

    model: Path
    folders: tuple[Path, ...]

    @property
    def format(self) -> str:
        """Return the model's format."""
        return FORMATS[self.model.suffix]

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Return config.json, or the copy of it in Olive's model_config.json; {} without one."""
        return self._json("config.json") or self._olive.get("model_attributes") or {}

    @property
    def made_from(self) -> Path | None:
        """Return the folder with a tokenizer that Olive's file names as the model's source."""
        named = str((self._olive.get("model_attributes") or {}).get("_name_or_path") or "")
        folder = Path(named)
        return folder if named and (folder / "tokenizer.json").is_file() else None

    @property
    def place(self) -> Path:
        """Return the path of the configuration, existing or not, for messages."""
        names = ("config.json", "model_config.json")
        return self.file(*names) or self.folders[0] / names[0]

    def size_bytes(self) -> int:
        """Return the bytes of the model and its weights; raise ArtifactError on a damaged file."""
        places = [self.model, self.model.with_suffix(".bin")]
        if self.format == "onnx":
            places = [self.model, *(self.model.parent / name for name in _beside(self.model))]
        return sum(path.stat().st_size for path in places)

    def file(self, *names: str) -> Path | None:
        """Return the first of these files in the nearest folder that has one."""
        places = (folder / name for folder in self.folders for name in names)
        return next((path for path in places if path.is_file()), None)

    @cached_property
    def _olive(self) -> Mapping[str, Any]:
        config = self._json("model_config.json").get("config")
        return config if isinstance(config, dict) else {}

    def _json(self, name: str) -> Mapping[str, Any]:
        file = self.file(name)
        return read_settings(file) if file else {}


def _beside(model: Path) -> set[str]:
    """Return the files of an ONNX model's weights; raise ArtifactError for one elsewhere."""
    check_external_data(model)
    return external_locations(model)


def find(source: Path) -> Found:
    """Find the model that a folder or file holds.

    Raises InputError when there is none, more than one, or it is an artifact already.
    """
    if source.is_file():
        return _one(source)
    if not source.is_dir():
        raise InputError(
            f"{source}: no such file or folder",
            expected="model.onnx, model.xml beside model.bin, or a folder with one of them",
            action="check the path",
        )
    if is_artifact(source):
        raise InputError(
            f"{source}: an artifact already",
            expected="what another tool wrote",
            action="give it to the command that you mean: all of them take it as it is",
        )
    models = _models(source)
    if len(models) != 1:
        raise _not_one(source, models)
    above = [folder for folder in models[0].parents if folder.is_relative_to(source)]
    return Found(models[0], tuple(above))


def read_settings(file: Path) -> dict[str, Any]:
    """Read an object from a JSON file; raise ArtifactError for anything else."""
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{file}: not JSON ({error})", action="write it again") from error
    if not isinstance(content, dict):
        raise ArtifactError(
            f"{file}: a {type(content).__name__}", expected="an object", action="write it again"
        )
    return content


def _one(source: Path) -> Found:
    if source.suffix not in FORMATS:
        raise InputError(
            f"{source}: neither .onnx nor .xml",
            expected="an ONNX model, an OpenVINO IR, or a folder with one",
            action="a torch model is exported instead: edgepress export FOLDER --out NEW",
        )
    if source.suffix == ".xml" and not source.with_suffix(".bin").is_file():
        raise ArtifactError(
            f"{source}: no {source.with_suffix('.bin').name} beside it",
            expected="both files of an OpenVINO IR",
            action="copy the weights beside it",
        )
    return Found(source, (source.parent,))


def _models(folder: Path) -> list[Path]:
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in FORMATS)
    return [path for path in files if _is_model(path) and not _hidden(path.relative_to(folder))]


def _is_model(path: Path) -> bool:
    if not path.is_file() or path.name in _TOKENIZER_GRAPHS:
        return False
    return path.suffix == ".onnx" or path.with_suffix(".bin").is_file()


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _not_one(folder: Path, models: list[Path]) -> InputError:
    if models:
        names = ", ".join(path.relative_to(folder).as_posix() for path in models[:6])
        return InputError(
            f"{folder}: {len(models)} models",
            expected="one model",
            available=names,
            action=f"name the one that you mean: edgepress import {models[0]} --out NEW",
        )
    torch = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    return InputError(
        f"{folder}: no ONNX model and no OpenVINO IR",
        expected="model.onnx, or model.xml beside model.bin",
        available=", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing",
        action=f"export the torch model: edgepress export {folder} --out NEW"
        if torch
        else "give the folder that the tool wrote, or the model's file",
    )

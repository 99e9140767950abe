"""Find where an ONNX file keeps external weights, and refuse files outside its folder.

The file is walked on the protobuf wire format: this needs no package and skips the weights without
reading them. Source: onnx.proto3 (field numbers) and the Protocol Buffers encoding specification.
"""

from __future__ import annotations

import mmap

from runtimes.errors import ArtifactError
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import StrPath

_TENSOR, _ENTRY = "TensorProto", "StringStringEntryProto"
_CHILDREN: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: _TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "AttributeProto": {
        5: _TENSOR,
        6: "GraphProto",
        10: _TENSOR,
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {13: _ENTRY},
}
"""The fields that hold messages in which a tensor's external_data may occur."""

_FIXED_BYTES = {1: 8, 5: 4}


def check_external_data(model: StrPath) -> None:
    """Raise ArtifactError when a model's weights lie outside its folder.

    Absolute paths, `..`, symbolic links that leave the folder and missing files are refused; so is
    a file that is not a protobuf message.
    """
    locations = external_locations(model)
    if not locations:
        return
    from pathlib import Path  # imported here: few models on a device have such weights

    folder = Path(model).parent.resolve()
    for location in sorted(locations):
        if _leaves(folder, location):
            raise ArtifactError(
                f"{model}: keeps weights in {location!r}, outside its folder",
                expected="a plain file name beside the model",
                action="do not use a model that reads other files of this machine",
            )
        if not (folder / location).is_file():
            raise ArtifactError(
                f"{model}: its weights file {location!r} is missing",
                action=f"copy it to {Path(model).parent}, or export the model again",
            )


def external_locations(model: StrPath) -> set[str]:
    """Return the `location` of every external tensor of an ONNX file.

    Raises ArtifactError when the file cannot be an ONNX model.
    """
    try:
        with open(model, "rb") as stream, _mapped(stream.fileno()) as data:
            return set(_locations(data, 0, len(data), "ModelProto"))
    except (ValueError, IndexError, RecursionError) as error:
        raise ArtifactError(
            f"{model}: not an intact ONNX file",
            expected="an ONNX model (a protobuf ModelProto)",
            action="export the model again; the file is damaged or of another format",
        ) from error


def _mapped(handle: int) -> mmap.mmap:
    return mmap.mmap(handle, 0, access=mmap.ACCESS_READ)


def _leaves(folder: Path, location: str) -> bool:
    from pathlib import PurePosixPath, PureWindowsPath

    for pure in (PurePosixPath(location), PureWindowsPath(location)):
        if pure.is_absolute() or pure.anchor or ".." in pure.parts:
            return True
    return not (folder / location).resolve().is_relative_to(folder)


def _locations(data: mmap.mmap, start: int, end: int, message: str) -> Iterator[str]:
    for number, begin, stop in _fields(data, start, end):
        child = _CHILDREN[message].get(number)
        if child == _ENTRY:
            entry = {key: data[a:b] for key, a, b in _fields(data, begin, stop)}
            if entry.get(1) == b"location":
                yield entry.get(2, b"").decode("utf-8")
        elif child is not None:
            yield from _locations(data, begin, stop, child)


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (number, begin, stop) of each length-delimited field; skip the others."""
    while start < end:
        tag, start = _varint(data, start)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            size, start = _varint(data, start)
            yield number, start, start + size
            start += size
        elif kind == 0:
            _, start = _varint(data, start)
        elif kind in _FIXED_BYTES:
            start += _FIXED_BYTES[kind]
        else:
            raise ValueError(f"wire type {kind}")
    if start != end or end > len(data):
        raise ValueError("a field ends beyond the file")


def _varint(data: mmap.mmap, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
        shift += 7
        if shift > 63:
            raise ValueError("a varint of more than 64 bits")

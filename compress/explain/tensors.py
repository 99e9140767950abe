"""The constant tensors of a model file: name, type, shape and bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.graph.onnx_graph import read_onnx
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, first_line
from runtimes.openvino_runtime import read_openvino
from runtimes.parsing import parse_json

_EMBEDDINGS = ("word_embeddings", "embed_tokens", "tok_embeddings", "wte")
_COMPARED_FROM = 1024
"""Smaller tensors are not compared: scales and shapes repeat by chance and take little space."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Describe one constant; `content` is a digest of its bytes, "" for a small one."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    content: str = ""

    @property
    def is_word_embedding(self) -> bool:
        """Tell whether the tensor is part of the token embedding, by the usual names."""
        return any(part in self.name for part in _EMBEDDINGS)


def tensors(artifact: Artifact) -> list[Tensor]:
    """List a model's constant tensors, the largest first; empty for a format that hides them.

    Raises ArtifactError on a damaged file.
    """
    reader = _READERS.get(artifact.format)
    if reader is None:
        return []
    try:
        stored = list(reader(artifact.model_file))
    except Exception as error:  # each library raises its own types
        raise ArtifactError(
            f"{artifact.model_file}: cannot be read ({first_line(error)})",
            expected="an intact model",
            action="make the artifact again",
        ) from error
    return sorted(stored, key=lambda tensor: -tensor.size)


def duplicates(stored: Sequence[Tensor]) -> list[list[Tensor]]:
    """Group tensors of the same type and bytes, the most wasteful group first."""
    groups: dict[tuple[str, str], list[Tensor]] = {}
    for tensor in stored:
        if tensor.content:
            groups.setdefault((tensor.dtype, tensor.content), []).append(tensor)
    repeated = [group for group in groups.values() if len(group) > 1]
    return sorted(repeated, key=lambda group: -group[0].size * (len(group) - 1))


def _onnx(model: Path) -> Iterator[Tensor]:
    graph = read_onnx(model).graph
    constants = [
        attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for tensor in [*graph.initializer, *constants]:
        yield _onnx_tensor(tensor)


def _onnx_tensor(tensor: Any) -> Tensor:
    from onnx import TensorProto, numpy_helper

    data = tensor.raw_data or numpy_helper.to_array(tensor).tobytes()
    dtype = TensorProto.DataType.Name(tensor.data_type).lower()
    return Tensor(tensor.name, _named(dtype), tuple(tensor.dims), len(data), _digest(data))


def _openvino(model: Path) -> Iterator[Tensor]:
    for op in read_openvino(model).get_ordered_ops():
        if op.get_type_name() == "Constant":
            port = op.output(0)
            data = op.get_data().tobytes() if op.get_byte_size() >= _COMPARED_FROM else b""
            yield Tensor(
                name=op.get_friendly_name(),
                dtype=_named(port.element_type.get_type_name()),
                shape=tuple(port.shape),
                size=op.get_byte_size(),
                content=_digest(data),
            )


def _safetensors(model: Path) -> Iterator[Tensor]:
    """Read a safetensors file: eight bytes of length, a JSON header, then the data."""
    with model.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = parse_json(stream.read(length))
        for name, row in header.items():
            if name == "__metadata__":
                continue
            first, end = row["data_offsets"]
            stream.seek(8 + length + first)
            data = stream.read(end - first)
            if len(data) < end - first:
                raise ValueError(f"{name} ends before its last byte")
            dtype = _named(row["dtype"].lower())
            yield Tensor(name, dtype, tuple(row["shape"]), len(data), _digest(data))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if len(data) >= _COMPARED_FROM else ""


def _named(dtype: str) -> str:
    return _DTYPES.get(dtype, dtype)


_DTYPES = {
    "float": "fp32",
    "f32": "fp32",
    "float16": "fp16",
    "f16": "fp16",
    "bfloat16": "bf16",
    "double": "fp64",
    "f64": "fp64",
    "i4": "int4",
    "u4": "uint4",
    "i8": "int8",
    "u8": "uint8",
    "i32": "int32",
    "i64": "int64",
    "boolean": "bool",
}
"""Libraries' names of types where they are not the common ones."""

_READERS = {"onnx": _onnx, "openvino": _openvino, "huggingface": _safetensors}

"""Write a file in ONNX Runtime's format again in one fixed order, so that equal models are equal.

ONNX Runtime writes weights, values and operators in the order of its hash tables, which differs
from process to process. Source: onnxruntime/core/flatbuffers/schema/ort.fbs, version 5 and 6.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flatbuffers import Builder, encode, number_types, packer
from flatbuffers.table import Table

from runtimes.errors import BackendError, first_line
from runtimes.files import write_bytes

_IDENTIFIER = b"ORTM"
_ROOT = "InferenceSession"
_FIELDS: dict[str, tuple[str, ...]] = {
    "InferenceSession": ("text", "Model", "", "KernelTypeStrResolver"),
    "Model": (
        *("8", "sorted OperatorSetId", "text", "text", "text", "8", "text", "Graph", "text"),
        "sorted StringStringEntry",
    ),
    "OperatorSetId": ("text", "8"),
    "StringStringEntry": ("text", "text"),
    "Graph": (
        *("sorted Tensor", "sorted ValueInfo", "list Node", "4", "list NodeEdge"),
        *("list text", "list text", "list SparseTensor", ""),
    ),
    "Tensor": ("text", "text", "array 8", "4", "array 1", "list text", "8"),
    "SparseTensor": ("Tensor", "Tensor", "array 8"),
    "ValueInfo": ("text", "text", "TypeInfo"),
    "TypeInfo": ("text", "1", "TensorTypeAndShape"),
    "TensorTypeAndShape": ("4", "Shape"),
    "Shape": ("list Dimension",),
    "Dimension": ("DimensionValue", "text"),
    "DimensionValue": ("1", "8", "text"),
    "Node": (
        *("text", "text", "text", "4", "4", "text", "4", "text", "list text", "list text"),
        *("list Attribute", "array 4", "list text"),
    ),
    "NodeEdge": ("4", "array 12", "array 12"),
    "Attribute": (
        *("text", "text", "4", "4", "8", "text", "Tensor", "Graph", "array 4", "array 8"),
        *("list text", "list Tensor", "list Graph"),
    ),
    "KernelTypeStrResolver": ("sorted OpIdKernelTypeStrArgsEntry",),
    "OpIdKernelTypeStrArgsEntry": ("text", "sorted KernelTypeStrArgsEntry"),
    "KernelTypeStrArgsEntry": ("text", "list ArgTypeAndIndex"),
    "ArgTypeAndIndex": ("1", "4"),
}
"""The fields of each table by slot: bytes of a number, a table, or a vector of these.

`sorted` vectors are maps: they are ordered by the text in their tables' first slot. The empty ones
are not written by `export_ort`.
"""

_NUMBERS = {
    "1": number_types.Uint8Flags,
    "4": number_types.Uint32Flags,
    "8": number_types.Uint64Flags,
}
_ALIGNED = {1: 1, 4: 4, 8: 8, 12: 4}
"""The alignment of a vector's elements by their size; 12 bytes are a struct of three numbers."""


def order_ort(path: Path) -> None:
    """Replace a file in ONNX Runtime's format by the same model in one fixed order.

    Raises BackendError for a file that is not as the schema says.
    """
    content = path.read_bytes()
    builder = Builder(len(content) + 4096)
    try:
        root = encode.Get(packer.uoffset, content, 0)
        builder.Finish(_Copy(content, builder).table(_ROOT, root), file_identifier=_IDENTIFIER)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise BackendError(
            f"{path.name} is not as ONNX Runtime's schema says ({first_line(error)})",
            action='leave the format "ort" out, or try another version of onnxruntime',
        ) from error
    write_bytes(path, bytes(builder.Output()))


class _Copy:
    """Copy tables from a file to a builder."""

    def __init__(self, content: bytes, builder: Any) -> None:
        self._content = content
        self._builder = builder
        self._texts: dict[bytes, int] = {}

    def table(self, kind: str, position: int) -> int:
        """Copy one table, its parts first, and return its offset in the builder."""
        table = Table(self._content, position)
        width = (
            table.Get(
                number_types.Uint16Flags, position - table.Get(number_types.Int32Flags, position)
            )
            - 4
        ) // 2
        if width > len(_FIELDS[kind]):
            raise ValueError(f"{kind} has {width} fields, not {len(_FIELDS[kind])}")
        put: list[tuple[int, Callable[[], None]]] = []
        for slot, field in enumerate(_FIELDS[kind]):
            if place := table.Offset(4 + 2 * slot):
                put.append((slot, self._part(table, field, position + place)))
        self._builder.StartObject(len(_FIELDS[kind]))
        for slot, write in put:
            write()
            self._builder.Slot(slot)
        return int(self._builder.EndObject())

    def _part(self, table: Any, field: str, place: int) -> Callable[[], None]:
        """Copy what a field points to; return what writes the field itself."""
        how, _, what = field.rpartition(" ")
        if not field:
            raise ValueError("a field that is not copied")
        if not how and what.isdigit():
            flags = _NUMBERS[what]
            value = table.Get(flags, place)
            return lambda: self._builder.Prepend(flags, value)
        offset = self._vector(table, how, what, place) if how else self._one(table, what, place)
        return lambda: self._builder.PrependUOffsetTRelative(offset)

    def _one(self, table: Any, what: str, place: int) -> int:
        if what != "text":
            return self.table(what, table.Indirect(place))
        text = bytes(table.String(place))
        if text not in self._texts:
            self._texts[text] = self._builder.CreateString(text)
        return self._texts[text]

    def _vector(self, table: Any, how: str, what: str, place: int) -> int:
        start = table.Indirect(place)
        count, first = table.Get(number_types.Int32Flags, start), start + 4
        if how == "array":
            size = int(what)
            return self._array(self._content[first : first + count * size], count, size)
        places = [first + 4 * index for index in range(count)]
        if how == "sorted":
            places.sort(key=lambda each: _key(table, table.Indirect(each)))
        offsets = [self._one(table, what, each) for each in places]
        self._builder.StartVector(4, count, 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def _array(self, data: bytes, count: int, size: int) -> int:
        self._builder.StartVector(size, count, _ALIGNED[size])
        self._builder.head -= len(data)
        self._builder.Bytes[self._builder.head : self._builder.head + len(data)] = data
        return int(self._builder.EndVector())


def _key(table: Any, position: int) -> bytes:
    entry = Table(table.Bytes, position)
    place = entry.Offset(4)
    return bytes(entry.String(position + place)) if place else b""

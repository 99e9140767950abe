"""Tensors of ONNX Runtime's C API: what a session takes and returns, and buffers for its runs."""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int, c_int64, c_void_p

from runtimes.errors import UnsupportedError
from runtimes.lean_typing import TYPE_CHECKING, NamedTuple
from runtimes.onnx_c_api import Api, StatusError
from runtimes.runtime import TensorSpec

if TYPE_CHECKING:
    from typing import Any


class ElementType(NamedTuple):
    """Describe the elements of a tensor: numpy's name, and the codes of a buffer's format."""

    dtype: str
    size: int
    formats: tuple[str, ...]


ELEMENT_TYPES = {
    1: ElementType("float32", 4, ("f",)),
    2: ElementType("uint8", 1, ("B",)),
    3: ElementType("int8", 1, ("b",)),
    4: ElementType("uint16", 2, ("H",)),
    5: ElementType("int16", 2, ("h",)),
    6: ElementType("int32", 4, ("i", "l")),
    7: ElementType("int64", 8, ("q", "l")),
    9: ElementType("bool", 1, ("?",)),
    11: ElementType("float64", 8, ("d",)),
    12: ElementType("uint32", 4, ("I", "L")),
    13: ElementType("uint64", 8, ("Q", "L")),
}
"""By ONNXTensorElementDataType; Python's buffers have no text, bfloat16 nor complex numbers."""


_FAILED = 1
"""ORT_FAIL, the code for all that has none of its own."""


class Port(NamedTuple):
    """Describe an input or output of a session: its type's number, and what it is."""

    spec: TensorSpec
    number: int

    @property
    def element(self) -> ElementType:
        """Return the type of the elements."""
        return ELEMENT_TYPES[self.number]


def ports(api: Api, session: Any, kind: str) -> tuple[Port, ...]:
    """Return a session's inputs or outputs: `kind` is "Input" or "Output".

    Raises UnsupportedError for a tensor whose elements no buffer of Python's holds.
    """
    found = range(api.count(f"SessionGet{kind}Count", session))
    return tuple(_port(api, session, kind, place) for place in found)


def _port(api: Api, session: Any, kind: str, place: int) -> Port:
    allocator = api.made("GetAllocatorWithDefaultOptions")
    name = api.made(f"SessionGet{kind}Name", session, place, allocator)
    text = ctypes.string_at(name.value).decode()
    api.check(api.AllocatorFree(allocator, name))
    described = api.made(f"SessionGet{kind}TypeInfo", session, place)
    try:
        info = api.made("CastTypeInfoToTensorInfo", described)
        number = _number(api, info) if info else 0
        if number not in ELEMENT_TYPES:
            raise UnsupportedError(
                f"the {kind.lower()} {text!r} is no tensor that a buffer holds (type {number})",
                expected=" or ".join(one.dtype for one in ELEMENT_TYPES.values()),
                action="use the runtime onnxruntime",
            )
        shape = _shape(api, info)
    finally:
        api.ReleaseTypeInfo(described)
    return Port(TensorSpec(text, ELEMENT_TYPES[number].dtype, shape), number)


def _number(api: Api, info: Any) -> int:
    number = c_int()
    api.check(api.GetTensorElementType(info, ctypes.byref(number)))
    return number.value


def _dimensions(api: Api, info: Any) -> tuple[int, ...]:
    count = api.count("GetDimensionsCount", info)
    sizes = (c_int64 * count)()
    api.check(api.GetDimensions(info, sizes, count))
    return tuple(sizes)


def _shape(api: Api, info: Any) -> tuple[int | str, ...]:
    sizes = _dimensions(api, info)
    names = (c_char_p * len(sizes))()
    api.check(api.GetSymbolicDimensions(info, names, len(sizes)))
    return tuple(
        size if size >= 0 else (name or b"").decode() or f"dynamic_{axis}"
        for axis, (size, name) in enumerate(zip(sizes, names))
    )


class Buffers:
    """Hold the inputs of one shape and their outputs, for one run at a time.

    ONNX Runtime allocates the outputs at the first run; later runs write to the same memory.
    """

    def __init__(self, api: Api, given: list[memoryview[Any]], numbers: list[int], outputs: int):
        self._api = api
        self._inputs = [ctypes.create_string_buffer(max(one.nbytes, 1)) for one in given]
        self._fill = [
            memoryview(one).cast("B")[: new.nbytes] for one, new in zip(self._inputs, given)
        ]
        self.inputs = (c_void_p * len(given))()
        self.outputs = (c_void_p * outputs)()
        self._found: list[tuple[int, int, str, tuple[int, ...]]] = []
        memory = api.cpu_memory
        for place, (buffer, one, number) in enumerate(zip(self._inputs, given, numbers)):
            shape = one.shape or ()
            value = api.made(
                "CreateTensorWithDataAsOrtValue",
                *(memory, buffer, one.nbytes),
                *((c_int64 * len(shape))(*shape), len(shape), number),
            )
            self.inputs[place] = value.value

    def fill(self, given: list[memoryview[Any]]) -> None:
        """Copy the inputs of a run."""
        for place, one in zip(self._fill, given):
            place[:] = one.tobytes()

    def read(self) -> list[memoryview[Any]]:
        """Return copies of a run's outputs."""
        if not self._found:
            self._found = [self._described(value) for value in self.outputs]
        return [
            memoryview(ctypes.string_at(address, size)).cast(form, shape)  # type: ignore[call-overload]
            for address, size, form, shape in self._found
        ]

    def _described(self, value: int | None) -> tuple[int, int, str, tuple[int, ...]]:
        """Return an output's address, bytes, format and shape."""
        api = self._api
        info = api.made("GetTensorTypeAndShape", value)
        try:
            element, shape = ELEMENT_TYPES[_number(api, info)], _dimensions(api, info)
        finally:
            api.ReleaseTensorTypeAndShapeInfo(info)
        size = element.size
        for length in shape:
            size *= length
        if not size:
            raise StatusError(_FAILED, "an output has no elements")
        return api.made("GetTensorMutableData", value).value, size, element.formats[0], shape

    def drop_outputs(self) -> bool:
        """Let ONNX Runtime allocate the outputs again; tell whether there were any."""
        had = any(self.outputs)
        for place, value in enumerate(self.outputs):
            self._api.ReleaseValue(value)
            self.outputs[place] = None
        self._found = []
        return had

    def __del__(self) -> None:
        """Release the tensors."""
        for value in (*self.inputs, *self.outputs):
            self._api.ReleaseValue(value)

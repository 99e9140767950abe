"""Run ONNX and ORT models through ONNX Runtime's C API: without numpy, and started sooner."""

from __future__ import annotations

import os

from runtimes.errors import ArtifactError, BackendError, first_line
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.onnx_c_api import StatusError, api, find_library, open_session
from runtimes.onnx_c_tensors import Buffers, Port, ports
from runtimes.onnx_external import check_external_data
from runtimes.packages import package_availability
from runtimes.runtime import Availability, Opened, unfit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

    from _typeshed import StrPath

    from runtimes.runtime import Feeds, Outputs

_DAMAGED = {3, 4, 7, 10, 12}
"""OrtErrorCode of what concerns the file: NO_SUCHFILE, NO_MODEL, INVALID_PROTOBUF, INVALID_GRAPH,
MODEL_LOAD_CANCELED; all others concern the backend.
"""

_NOT_ORT = "ORT model verification failed"
"""What ONNX Runtime says of a damaged file in its own format; its code is one of many."""

_KEPT = 256
"""Shapes whose buffers are kept: the lengths of texts. Others are made for each run."""


class OnnxRuntimeC:
    """Open ONNX and ORT models with ONNX Runtime's CPU execution provider, by its C API."""

    name: ClassVar[str] = "onnxruntime-c"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "onnx": ("model.onnx", "*.onnx.data"),
        "ort": ("model.ort", "required_operators_and_types.config"),
    }
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8", "int4")
    packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    imports: ClassVar[tuple[str, ...]] = ()
    deployed: ClassVar[bool] = True
    providers: ClassVar[tuple[str, ...]] = ("CPUExecutionProvider",)

    def availability(self) -> Availability:
        """Tell whether an installed onnxruntime has the C library; none is loaded."""
        found = package_availability("onnxruntime", "onnxruntime-gpu")
        if found.ok and not find_library():
            return Availability(False, "the installed onnxruntime has no C library", None)
        return found

    def open(self, model: StrPath, threads: int) -> Opened:
        """Open a session.

        Raises ArtifactError on a damaged file or weights outside the model's folder, BackendError
        when ONNX Runtime refuses the model, UnsupportedError without its library.
        """
        api()
        if not os.fspath(model).endswith(
            ".ort"
        ):  # which holds its weights itself, and is no protobuf message
            check_external_data(model)
        try:
            run = _Session(open_session(os.fspath(model), threads))
        except StatusError as error:
            raise _translated(model, error) from error
        inputs = tuple(port.spec for port in run.inputs)
        outputs = tuple(port.spec for port in run.outputs)
        return Opened(self.name, api().version, inputs, outputs, run)


def _translated(model: StrPath, error: StatusError) -> ArtifactError | BackendError:
    said = f"{model}: ONNX Runtime cannot load it ({first_line(error)})"
    if error.code in _DAMAGED or _NOT_ORT in str(error):
        return ArtifactError(
            said, expected="an intact ONNX model", action="make the artifact again"
        )
    return BackendError(
        said, action="try another version of onnxruntime, or export the model again"
    )


class _Session:
    """Run a session; each shape of the inputs has buffers, and each thread takes its own."""

    def __init__(self, session: Any) -> None:
        self._api = api()
        self._session = session
        self.inputs = ports(self._api, session, "Input")
        self.outputs = ports(self._api, session, "Output")
        self._fed = [port.spec.name for port in self.inputs]
        self._named = [port.spec.name for port in self.outputs]
        self._names = tuple(_encoded(port) for port in (self.inputs, self.outputs))
        self._free: dict[Any, list[Buffers]] = {}

    def __call__(self, feeds: Feeds) -> Outputs:
        """Return the outputs for one batch."""
        try:
            given = [memoryview(feeds[name]) for name in self._fed]
        except (KeyError, TypeError):
            raise unfit(self._specs(), feeds) from None
        shapes = (len(feeds), *[(one.format, one.shape) for one in given])
        try:
            buffers = self._free[shapes].pop()
        except (KeyError, IndexError):
            buffers = self._buffers(feeds, given)
        buffers.fill(given)
        try:
            self._run(buffers)
            found = buffers.read()
        except StatusError as error:
            raise BackendError(
                f"ONNX Runtime: {first_line(error)}",
                action="try one row alone; where that fails too, export the model again",
            ) from error
        if shapes in self._free or len(self._free) < _KEPT:
            self._free.setdefault(shapes, []).append(buffers)
        return dict(zip(self._named, found))

    def _run(self, buffers: Buffers) -> None:
        failed = self._call(buffers)
        if failed and buffers.drop_outputs():  # their shape may depend on the inputs' values
            self._api.ReleaseStatus(failed)
            failed = self._call(buffers)
        self._api.check(failed)

    def _call(self, buffers: Buffers) -> int | None:
        fed, named = self._names
        status: int | None = self._api.Run(
            *(self._session, None, fed, buffers.inputs, len(fed)),
            *(named, len(named), buffers.outputs),
        )
        return status

    def _buffers(self, feeds: Feeds, given: list[memoryview[Any]]) -> Buffers:
        """Return buffers for feeds of a new shape; raise InputError where they do not fit."""
        fits = len(feeds) == len(given) and all(
            one.ndim == len(port.spec.shape)
            and one.format in port.element.formats
            and one.itemsize == port.element.size
            for one, port in zip(given, self.inputs)
        )
        if not fits:
            raise unfit(self._specs(), feeds)
        numbers = [port.number for port in self.inputs]
        return Buffers(self._api, given, numbers, len(self.outputs))

    def _specs(self) -> Any:
        return tuple(port.spec for port in self.inputs)

    def __del__(self) -> None:
        """Release the session, after the tensors that it allocated."""
        self._free.clear()
        self._api.ReleaseSession(self._session)


def _encoded(found: tuple[Port, ...]) -> Any:
    from ctypes import c_char_p

    return (c_char_p * len(found))(*(port.spec.name.encode() for port in found))

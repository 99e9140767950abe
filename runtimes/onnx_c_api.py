"""ONNX Runtime's C API through ctypes: the library of the onnxruntime wheel, without its package.

Importing the package takes numpy and 25 of its modules; the library is one file beside them. A
function is found by its place in the header's struct OrtApi, to which newer versions only append
(onnxruntime_c_api.h: "All APIs are only ever appended"). The places are those of API version 17.
"""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint32, c_void_p

from runtimes.errors import UnsupportedError, first_line
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

API_VERSION = 17
"""Of ONNX Runtime 1.17, the oldest whose C API has all that is called here."""

_PATH = ctypes.c_wchar_p if os.name == "nt" else c_char_p
_NAMES = ("libonnxruntime.", "onnxruntime.dll")
"""How the library's file begins; on Linux and macOS its name ends with the version."""

_FUNCTIONS: dict[str, tuple[int, Any, tuple[Any, ...]]] = {
    "GetErrorCode": (1, c_int, (c_void_p,)),
    "GetErrorMessage": (2, c_char_p, (c_void_p,)),
    "CreateEnv": (3, c_void_p, (c_int, c_char_p, c_void_p)),
    "DisableTelemetryEvents": (6, c_void_p, (c_void_p,)),
    "CreateSession": (7, c_void_p, (c_void_p, _PATH, c_void_p, c_void_p)),
    "Run": (9, c_void_p, (*(c_void_p,) * 4, c_size_t, c_void_p, c_size_t, c_void_p)),
    "CreateSessionOptions": (10, c_void_p, (c_void_p,)),
    "SetSessionLogSeverityLevel": (22, c_void_p, (c_void_p, c_int)),
    "SetIntraOpNumThreads": (24, c_void_p, (c_void_p, c_int)),
    "SetInterOpNumThreads": (25, c_void_p, (c_void_p, c_int)),
    "SessionGetInputCount": (30, c_void_p, (c_void_p, c_void_p)),
    "SessionGetOutputCount": (31, c_void_p, (c_void_p, c_void_p)),
    "SessionGetInputTypeInfo": (33, c_void_p, (c_void_p, c_size_t, c_void_p)),
    "SessionGetOutputTypeInfo": (34, c_void_p, (c_void_p, c_size_t, c_void_p)),
    "SessionGetInputName": (36, c_void_p, (c_void_p, c_size_t, c_void_p, c_void_p)),
    "SessionGetOutputName": (37, c_void_p, (c_void_p, c_size_t, c_void_p, c_void_p)),
    "CreateTensorWithDataAsOrtValue": (
        *(49, c_void_p),
        (c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_int, c_void_p),
    ),
    "GetTensorMutableData": (51, c_void_p, (c_void_p, c_void_p)),
    "CastTypeInfoToTensorInfo": (55, c_void_p, (c_void_p, c_void_p)),
    "GetTensorElementType": (60, c_void_p, (c_void_p, c_void_p)),
    "GetDimensionsCount": (61, c_void_p, (c_void_p, c_void_p)),
    "GetDimensions": (62, c_void_p, (c_void_p, c_void_p, c_size_t)),
    "GetSymbolicDimensions": (63, c_void_p, (c_void_p, c_void_p, c_size_t)),
    "GetTensorTypeAndShape": (65, c_void_p, (c_void_p, c_void_p)),
    "CreateCpuMemoryInfo": (69, c_void_p, (c_int, c_int, c_void_p)),
    "AllocatorFree": (76, c_void_p, (c_void_p, c_void_p)),
    "GetAllocatorWithDefaultOptions": (78, c_void_p, (c_void_p,)),
    "ReleaseStatus": (93, None, (c_void_p,)),
    "ReleaseSession": (95, None, (c_void_p,)),
    "ReleaseValue": (96, None, (c_void_p,)),
    "ReleaseTypeInfo": (98, None, (c_void_p,)),
    "ReleaseTensorTypeAndShapeInfo": (99, None, (c_void_p,)),
    "ReleaseSessionOptions": (100, None, (c_void_p,)),
}
"""The functions' places, results and arguments. A result that is a pointer is an OrtStatus."""


_ERRORS_ALONE = 3
"""ORT_LOGGING_LEVEL_ERROR."""

_DEVICE_ALLOCATOR, _DEFAULT_MEMORY = 0, 0
"""OrtDeviceAllocator and OrtMemTypeDefault."""


class _ApiBase(ctypes.Structure):
    _fields_ = (
        ("GetApi", ctypes.CFUNCTYPE(POINTER(c_void_p), c_uint32)),
        ("GetVersionString", ctypes.CFUNCTYPE(c_char_p)),
    )


class StatusError(Exception):
    """Hold what ONNX Runtime says of a failed call: its code (OrtErrorCode) and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Api:
    """Call the C API's functions as methods of their names; a status becomes a StatusError."""

    def __init__(self, functions: Any, version: str) -> None:
        self._functions = functions
        self.version = version
        self._memory: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return a function, made when it is first used."""
        place, result, arguments = _FUNCTIONS[name]
        function = ctypes.CFUNCTYPE(result, *arguments)(self._functions[place])
        setattr(self, name, function)
        return function

    @property
    def cpu_memory(self) -> Any:
        """Return the description of this process's memory, which is never freed."""
        if self._memory is None:
            self._memory = self.made("CreateCpuMemoryInfo", _DEVICE_ALLOCATOR, _DEFAULT_MEMORY)
        return self._memory

    def check(self, status: int | None) -> None:
        """Raise StatusError for the status of a call that failed."""
        if status:
            message = self.GetErrorMessage(status).decode("utf-8", "replace")
            error = StatusError(self.GetErrorCode(status), message)
            self.ReleaseStatus(status)
            raise error

    def made(self, function: str, *arguments: Any) -> Any:
        """Return the pointer that a function leaves in its last argument."""
        pointer = c_void_p()
        self.check(getattr(self, function)(*arguments, ctypes.byref(pointer)))
        return pointer

    def count(self, function: str, *arguments: Any) -> int:
        """Return the size that a function leaves in its last argument."""
        size = c_size_t()
        self.check(getattr(self, function)(*arguments, ctypes.byref(size)))
        return size.value


def find_library() -> str | None:
    """Return the path of the library in an installed wheel of ONNX Runtime, None without one."""
    for place in sys.path:
        folder = os.path.join(place, "onnxruntime", "capi")
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.startswith(_NAMES):
                return os.path.join(folder, name)
    return None


_KEPT: dict[str, Any] = {}
"""What a process has once; functools, with collections, would take 2 ms of a cold start."""


def api() -> Api:
    """Return the loaded library; raise UnsupportedError where it is missing, too old or foreign."""
    if "api" not in _KEPT:
        _KEPT["api"] = _loaded()
    return _KEPT["api"]  # type: ignore[no-any-return]


def _loaded() -> Api:
    path = find_library()
    if path is None:
        raise UnsupportedError(
            "no onnxruntime is installed that holds its C library",
            expected="onnxruntime/capi/libonnxruntime.so.* (.dylib, .dll) on Python's path",
            action="pip install onnxruntime, or use the runtime onnxruntime",
        )
    try:
        library = ctypes.CDLL(path)
        library.OrtGetApiBase.restype = POINTER(_ApiBase)
        base = library.OrtGetApiBase().contents
    except (OSError, AttributeError) as error:
        raise UnsupportedError(
            f"{path}: cannot be loaded ({first_line(error)})", action="install onnxruntime again"
        ) from error
    version = base.GetVersionString().decode()
    functions = base.GetApi(API_VERSION)
    if not functions:
        raise UnsupportedError(
            f"{path}: ONNX Runtime {version}",
            expected=f"one with version {API_VERSION} of the C API: 1.{API_VERSION} or newer",
            action="pip install --upgrade onnxruntime",
        )
    return Api(functions, version)


def environment() -> Any:
    """Return the process's one environment, which is never freed; it sends no telemetry."""
    if "environment" not in _KEPT:
        made = api().made("CreateEnv", _ERRORS_ALONE, b"edgepress")
        api().check(api().DisableTelemetryEvents(made))
        _KEPT["environment"] = made
    return _KEPT["environment"]


def open_session(path: str, threads: int) -> Any:
    """Return a session on the CPU with `threads` within an operator; StatusError when refused."""
    known = api()
    env = environment()
    options = known.made("CreateSessionOptions")
    try:
        known.check(known.SetIntraOpNumThreads(options, threads))
        known.check(known.SetInterOpNumThreads(options, 1))
        known.check(known.SetSessionLogSeverityLevel(options, _ERRORS_ALONE))
        encoded = path if os.name == "nt" else os.fsencode(path)
        return known.made("CreateSession", env, encoded, options)
    finally:
        known.ReleaseSessionOptions(options)

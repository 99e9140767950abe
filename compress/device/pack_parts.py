"""What a pack is made of: packages by name, and what of them a worker never imports."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass

from compress.device.debs import DEBIAN_NAMES
from compress.device.wheels import as_installed
from runtimes.errors import UnsupportedError
from runtimes.runtime import RUNTIMES

LOADERS: Mapping[str, str] = {
    "aarch64": "ld-linux-aarch64.so.1",
    "armv7l": "ld-linux-armhf.so.3",
    "x86_64": "ld-linux-x86-64.so.2",
}
"""The names of the C library's loaders."""

DEBS = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libbz2-1.0", "liblzma5"),
    "libzstd1",  # OpenSSL's library needs it since Debian 13; what nothing needs is left out
    "base-files",  # the licences that packages' copyright files refer to
)
"""Debian packages whose names hold no version."""

VERSIONED = (
    ("libgcc-s1", r"gcc-\d+-base"),  # the licence of libgcc and libstdc++
    ("libpython3-stdlib", r"libpython3\.\d+-stdlib"),
    ("python3-minimal", r"python3\.\d+-minimal"),
)
"""Packages whose names hold a version, each as (a package that depends on it, its pattern)."""

VERSIONED_OF_PYTHON = (
    ("python3.{minor}-minimal", r"libpython3\.\d+-minimal"),
    ("libpython3.{minor}-minimal", r"libssl\d+(t64)?"),  # hashlib
    ("libpython3.{minor}-stdlib", r"libffi\d+"),  # ctypes
)

_EVERY_WHEEL = ("numpy", "tokenizers")

WHEELS: Mapping[str, tuple[str, ...]] = {
    "onnxruntime": ("onnxruntime",),
    "onnxruntime-c": ("onnxruntime",),
    "openvino": ("openvino",),
    "litert": ("ai-edge-litert",),
}
"""The wheels of each runtime that a worker really imports; their other dependencies are not."""

_WHY_IN_NONE: Mapping[str, str] = {
    "executorch": "its Python needs torch, whose wheel for arm64 alone is larger than 400 MB",
    "torch": "its wheel for arm64 alone is larger than 400 MB",
}
"""Why no pack holds a runtime that has wheels for devices."""

STDLIB_LEFT_OUT = (
    *("ensurepip", "lib2to3", "pydoc_data", "idlelib", "tkinter", "turtledemo", "test"),
    *("__phello__", "__phello__.foo.py", "turtle.py", "venv", "sitecustomize.py"),
)
"""Of Python's library: what needs a screen or a network, and links to the host's /etc."""

MODULES_LEFT_OUT = ("_ssl.*", "_test*", "_ctypes_test*", "_xx*", "xx*")
"""Of Python's extension modules: those that need a network, or test Python itself."""

_WHEELS_LEFT_OUT = (
    *("**/tests", "**/*.pyi", "**/*.pxd", "**/*.a", "**/include", "**/__pycache__"),
    *("numpy/f2py", "numpy/distutils", "numpy/_pyinstaller", "numpy/doc", "numpy/conftest.py"),
    *("onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/tools"),
    *("onnxruntime/datasets", "onnxruntime/backend"),
    *("tokenizers/tools", "openvino/tools", "openvino/torch", "openvino/test_utils"),
    *("openvino/frontend/*/*.so", "openvino/libs/libopenvino_[!aiho]*", "openvino/cmake"),
    "openvino/libs/libopenvino_intel_[gn]pu*",  # they need OpenCL's or Level Zero's libraries
    *("ai_edge_litert/aot", "ai_edge_litert/tools", "ai_edge_litert/vendors"),  # NPUs
    "ai_edge_litert/libLiteRtWebGpu*",
)
"""Of the wheels, as patterns below site-packages: tests, headers, and tools that make models."""

_C_LIBRARY = "onnxruntime/capi/libonnxruntime.so.*"
_PYTHON_OF_ONNX_RUNTIME = ("onnxruntime/*.py", "onnxruntime/capi/*.py", "onnxruntime/capi/onnx*.so")


def left_out(runtime: str) -> tuple[str, ...]:
    """Return what a runtime never reads of the wheels, as patterns below site-packages.

    ONNX Runtime's wheel holds its library twice: for C programs, and within the Python module.
    """
    c_alone = runtime == "onnxruntime-c"
    return (*_WHEELS_LEFT_OUT, *(_PYTHON_OF_ONNX_RUNTIME if c_alone else (_C_LIBRARY,)))


@dataclass(frozen=True, slots=True)
class Parts:
    """Name what a pack for one architecture and runtime is made of."""

    arch: str
    runtime: str

    @property
    def wheels(self) -> tuple[str, ...]:
        """Return the wheels' requirements."""
        return (*_EVERY_WHEEL, *WHEELS[self.runtime])

    def pinned(self) -> list[str]:
        """Return the wheels with the versions that this host has installed."""
        return [as_installed(name) for name in self.wheels]


def parts_of(arch: str | None, runtime: str) -> Parts:
    """Return a pack's parts; an arch of None is this host's.

    Raises UnsupportedError for what no pack can be made for.
    """
    arch = arch or platform.machine()
    if arch not in DEBIAN_NAMES:
        raise UnsupportedError(
            f"no pack can be made for {arch!r}",
            expected=" or ".join(DEBIAN_NAMES),
            action="correct `arch` in the profile's [hardware]",
        )
    if runtime not in WHEELS:
        known = " or ".join(WHEELS)
        why = _WHY_IN_NONE.get(runtime)
        raise UnsupportedError(
            f"no pack holds the runtime {runtime!r}" + (f": {why}" if why else ""),
            expected=known,
            available=f"registered: {', '.join(RUNTIMES)}",
            action="choose one of these in the profile's [runtime]",
        )
    return Parts(arch, runtime)

"""Each pattern of what is left out of wheels removes what it is for, and nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.device.pack_build import leave_out
from compress.device.pack_parts import left_out
from compress.package.folder import strip

REMOVED = {
    "**/tests": "numpy/core/tests/test_it.py",
    "**/*.pyi": "numpy/__init__.pyi",
    "**/*.pxd": "numpy/__init__.pxd",
    "**/*.a": "numpy/random/lib/libnpyrandom.a",
    "**/include": "numpy/_core/include/numpy/ndarrayobject.h",
    "**/__pycache__": "numpy/__pycache__/version.cpython-311.pyc",
    "numpy/f2py": "numpy/f2py/crackfortran.py",
    "numpy/distutils": "numpy/distutils/core.py",
    "numpy/_pyinstaller": "numpy/_pyinstaller/hook-numpy.py",
    "numpy/doc": "numpy/doc/ufuncs.py",
    "numpy/conftest.py": "numpy/conftest.py",
    "onnxruntime/transformers": "onnxruntime/transformers/optimizer.py",
    "onnxruntime/quantization": "onnxruntime/quantization/quantize.py",
    "onnxruntime/tools": "onnxruntime/tools/onnx_model_utils.py",
    "onnxruntime/datasets": "onnxruntime/datasets/mul_1.onnx",
    "onnxruntime/backend": "onnxruntime/backend/backend.py",
    "tokenizers/tools": "tokenizers/tools/visualizer.py",
    "openvino/tools": "openvino/tools/ovc/main.py",
    "openvino/torch": "openvino/torch/__init__.py",
    "openvino/test_utils": "openvino/test_utils/__init__.py",
    "openvino/frontend/*/*.so": "openvino/frontend/onnx/py_onnx_frontend.so",
    "openvino/libs/libopenvino_[!aiho]*": "openvino/libs/libopenvino_tensorflow_frontend.so.2620",
    "openvino/cmake": "openvino/cmake/OpenVINOConfig.cmake",
    "ai_edge_litert/aot": "ai_edge_litert/aot/core/types.py",
    "ai_edge_litert/vendors": "ai_edge_litert/vendors/qualcomm/libLiteRtDispatch_Qualcomm.so",
    "ai_edge_litert/tools": "ai_edge_litert/tools/flatbuffer_utils.py",
    "ai_edge_litert/libLiteRtWebGpu*": "ai_edge_litert/libLiteRtWebGpuAccelerator.so",
    "openvino/libs/libopenvino_intel_[gn]pu*": "openvino/libs/libopenvino_intel_gpu_plugin.so",
}
"""Each pattern, and a file of a wheel that it removes whatever the runtime is."""

OF_RUNTIME = {
    "onnxruntime": {
        "onnxruntime/capi/libonnxruntime.so.*": "onnxruntime/capi/libonnxruntime.so.1.24.1",
    },
    "onnxruntime-c": {
        "onnxruntime/*.py": "onnxruntime/__init__.py",
        "onnxruntime/capi/*.py": "onnxruntime/capi/onnxruntime_inference_collection.py",
        "onnxruntime/capi/onnx*.so": "onnxruntime/capi/onnxruntime_pybind11_state.so",
    },
}
"""What one of the two runtimes of ONNX models never reads, and the other does."""

KEPT = (
    "numpy/__init__.py",
    "numpy/testing/__init__.py",
    "numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so",
    "numpy-2.3.0.dist-info/licenses/numpy/include/LICENSE",
    "numpy-2.3.0.dist-info/licenses/tests/LICENSE",
    "onnxruntime/capi/libonnxruntime_providers_shared.so",
    "onnxruntime/ThirdPartyNotices.txt",
    "tokenizers/tokenizers.abi3.so",
    "openvino/libs/libopenvino.so.2620",
    "openvino/libs/libopenvino_intel_cpu_plugin.so",
    "openvino/libs/libopenvino_ir_frontend.so.2620",
    "openvino/libs/libopenvino_auto_plugin.so",
)
"""What stays whatever the patterns are."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Make every file of the lists."""
    of_runtimes = (name for files in OF_RUNTIME.values() for name in files.values())
    for name in (*REMOVED.values(), *of_runtimes, *KEPT):
        file = tmp_path / "site" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    return tmp_path / "site"


def _left(site: Path) -> set[str]:
    return {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}


@pytest.mark.parametrize("runtime", OF_RUNTIME)
def test_every_pattern_is_tested(runtime: str) -> None:
    assert {*REMOVED, *OF_RUNTIME[runtime]} == set(left_out(runtime))


@pytest.mark.parametrize("pattern", REMOVED)
def test_a_pattern_removes_what_it_is_for(site: Path, pattern: str) -> None:
    leave_out(site, [pattern])
    assert REMOVED[pattern] not in _left(site)
    assert set(KEPT) <= _left(site)


@pytest.mark.parametrize("runtime", OF_RUNTIME)
def test_all_together_leave_what_runs_and_the_licences(site: Path, runtime: str) -> None:
    other = next(files for name, files in OF_RUNTIME.items() if name != runtime)
    strip(site, runtime)
    assert _left(site) == {*KEPT, *other.values()}

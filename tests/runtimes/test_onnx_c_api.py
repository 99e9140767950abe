"""ONNX Runtime's C API: where its library is found, what is said without one, what is freed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtimes import onnx_c_api
from runtimes.errors import UnsupportedError
from runtimes.onnx_c_runtime import OnnxRuntimeC
from tests.runtimes.tiny import tiny_onnx

_LEAKS = """
import sys
from pathlib import Path
from runtimes.memory_steps import _held
from runtimes.onnx_c_runtime import OnnxRuntimeC
feeds = {name: memoryview(bytes(8 * 64)).cast("q", (1, 64))
    for name in ("input_ids", "attention_mask")}

def turns(count):
    for _ in range(count):
        run = OnnxRuntimeC().open(Path(sys.argv[1]), 1).run
        for _ in range(20):
            run(feeds)
        for length in range(1, 30):
            run({name: memoryview(bytes(8 * length)).cast("q", (1, length)) for name in feeds})
    return _held("")["rss_mb"]

before = turns(20)
print(turns(150) - before)
"""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the loaded library before and after a test."""
    onnx_c_api._KEPT.clear()
    yield
    monkeypatch.undo()
    onnx_c_api._KEPT.clear()


def test_the_library_is_found_without_importing_its_package() -> None:
    code = (
        "import os, sys; from runtimes.onnx_c_api import api, find_library\n"
        "print(os.path.basename(find_library()), api().version)\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'onnxruntime'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found, loaded = done.stdout.splitlines()
    name, version = found.split()
    assert version in name or name.startswith("onnxruntime.dll")
    assert loaded == "[]"


@pytest.mark.usefixtures("alone")
def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), "relative", ""])
    assert onnx_c_api.find_library() is None
    with pytest.raises(UnsupportedError, match="no onnxruntime is installed"):
        OnnxRuntimeC().open(tmp_path / "model.onnx", 1)


@pytest.mark.usefixtures("alone")
def test_a_library_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = tmp_path / "onnxruntime" / "capi"
    place.mkdir(parents=True)
    (place / "libonnxruntime.so.9").write_bytes(b"\x7fELF garbage")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UnsupportedError, match=r"so\.9: cannot be loaded"):
        OnnxRuntimeC().open(tmp_path / "model.onnx", 1)


@pytest.mark.usefixtures("alone")
def test_a_library_that_is_too_old_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_c_api, "API_VERSION", 100_000)
    with pytest.raises(UnsupportedError, match="100000 of the C API"):
        onnx_c_api.api()


def test_sessions_and_tensors_are_freed(tmp_path: Path) -> None:
    model = tiny_onnx(tmp_path, hidden=256).model_file
    done = subprocess.run(
        [sys.executable, "-c", _LEAKS, str(model)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 8  # MB; 150 models that stay would be over 100

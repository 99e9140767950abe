"""The benchmark of cold starts, on a small bundle whose packages are the installed ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.cold_start import PHASES, measure, table
from compress.device.compiling import compile_modules
from compress.package.folder import BUNDLE, add_function
from compress.run.bundle import bundle as write_bundle
from runtimes.artifact import read_artifact
from runtimes.onnx_c_api import find_library
from runtimes.page_cache import why_kept
from tests.absent import needs
from tests.runtimes.tiny import tiny_linear, tiny_onnx


def _function(bundle: Path, package: Path) -> Path:
    """Make a package's folder of the function, without packages."""
    function = package / "function"
    function.mkdir(parents=True)
    add_function(read_artifact(bundle), function)
    compile_modules(function / BUNDLE, [sys.executable])
    return function


@pytest.mark.slow
def test_every_way_to_start_answers_and_is_compared_with_the_interpreter(tmp_path: Path) -> None:
    needs("onnx")
    tiny_onnx(tmp_path / "onnx")
    write_bundle(tmp_path / "onnx", tmp_path / "bundle")
    tiny_linear(tmp_path / "n-grams")
    write_bundle(tmp_path / "n-grams", tmp_path / "bundle of n-grams")
    function = _function(tmp_path / "bundle", tmp_path / "package")
    _function(tmp_path / "bundle of n-grams", tmp_path / "linear")
    library = find_library()
    assert library is not None
    for name in ("onnxruntime", "tokenizers"):
        (function / name).symlink_to(Path(library).parents[2] / name)
    result = measure(tmp_path / "bundle", tmp_path / "package", 3, tmp_path / "linear")
    rows = result["variants"]
    assert rows["interpreter"]["over_interpreter_p50_ms"] == [0, 0, 0]
    for name, row in rows.items():
        assert row["p50_ms"][1] <= row["p50_ms"][0] <= row["p50_ms"][2] <= row["p90_ms"][2]
        if name != "interpreter":
            assert row["over_interpreter_p50_ms"][0] > 0
    assert list(rows["C API"]["phases_p50_ms"]) == list(PHASES)
    assert all(name in table(result) for name in rows)
    assert {"by its own client", "linear, by its own client"} <= rows.keys()
    stored = {"the package, files from storage", "linear, files from storage"}
    assert stored & rows.keys() == (set() if why_kept(tmp_path) else stored)

    few = measure(tmp_path / "bundle", tmp_path / "package", 2, None, "by its handler")
    assert list(few["variants"]) == ["interpreter", "the package, by its handler"]

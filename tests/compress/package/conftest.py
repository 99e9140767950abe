"""A tiny bundle, and the function's folder of it."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from compress.package.folder import assemble
from compress.run.bundle import bundle as write_bundle
from runtimes.artifact import read_artifact
from tests.runtimes.tiny import tiny_onnx


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a bundle that answers at once."""
    folder = tmp_path_factory.mktemp("package")
    tiny_onnx(folder / "onnx")
    write_bundle(folder / "onnx", folder / "bundle")
    return folder / "bundle"


@pytest.fixture
def function(tiny_bundle: Path, tmp_path: Path) -> Path:
    """Make a function's folder whose packages are links to the installed ones."""
    (tmp_path / "site").mkdir()
    folder = tmp_path / "function"
    assemble(read_artifact(tiny_bundle), tmp_path / "site", folder)
    installed = Path(numpy.__file__).parents[1]
    for name in ("numpy", "numpy.libs", "onnxruntime", "tokenizers"):
        (folder / name).symlink_to(installed / name)
    return folder

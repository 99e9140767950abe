"""A tiny bundle, and the function's folder of it."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from compress.package.folder import add_function
from compress.package.interpreter import Interpreter, find_interpreter
from compress.package.layout import Laid
from compress.package.targets import target_of
from compress.run.bundle import bundle as write_bundle
from runtimes.artifact import read_artifact
from tests.runtimes.tiny import tiny_onnx

_OF_AZURE = ("azure", "werkzeug", "markupsafe")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a bundle that answers at once."""
    folder = tmp_path_factory.mktemp("package")
    tiny_onnx(folder / "onnx")
    write_bundle(folder / "onnx", folder / "bundle")
    return folder / "bundle"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Make a folder of packages that are links to the installed ones."""
    folder = tmp_path / "packages"
    folder.mkdir()
    installed = Path(numpy.__file__).parents[1]
    for name in ("onnxruntime", "tokenizers", *_OF_AZURE):
        if (installed / name).exists():
            (folder / name).symlink_to(installed / name)
    return folder


@pytest.fixture
def function(tiny_bundle: Path, packages: Path, tmp_path: Path) -> Path:
    """Make a function's folder whose packages are links to the installed ones."""
    folder = tmp_path / "function"
    folder.mkdir()
    add_function(read_artifact(tiny_bundle), folder)
    for package in packages.iterdir():
        (folder / package.name).symlink_to(package)
    return folder


@pytest.fixture
def laid(function: Path) -> Laid:
    """Describe the function's folder as a package."""
    return Laid((function,), {})


@pytest.fixture
def here(tmp_path: Path) -> Interpreter:
    """Return this Python."""
    target = target_of("zip")
    return find_interpreter(target.arch, target.pythons[0], None, tmp_path / "prefix")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Unpack a wheel of one module, with tests and a licence."""
    described = tmp_path / "site/sample-1.0.dist-info"
    for folder in (described / "licenses/include", tmp_path / "site/sample/tests"):
        folder.mkdir(parents=True)
    (described / "METADATA").write_text("Name: sample\nLicense-Expression: BSD-3-Clause\n")
    (described / "licenses/include/LICENSE").write_text("text")
    (tmp_path / "site/sample/__init__.py").write_text("")
    (tmp_path / "site/sample/tests/test_it.py").write_text("")
    return tmp_path / "site"

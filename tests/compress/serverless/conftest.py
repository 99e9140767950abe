"""A tiny bundle, and sandboxes of its function."""

from __future__ import annotations

import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy
import pytest

from compress.package.archive import write_zip
from compress.package.contents import write_contents
from compress.package.folder import BOOTSTRAP, CLIENT, add_function
from compress.package.function_zip import FUNCTION, FUNCTION_ZIP
from compress.serverless.clients import AWS, OWN, aws_client, aws_variables, own_client
from compress.serverless.sandbox import Sandbox, Settings
from runtimes.artifact import read_artifact
from runtimes.files import folder_bytes
from tests.absent import needs
from tests.compress.package.conftest import function, packages, tiny_bundle

__all__ = ["function", "packages", "tiny_bundle"]

Open = Callable[..., Sandbox]

PYTHON = (sys.executable,)
OWN_PYTHON = ".".join(platform.python_version_tuple()[:2])


@pytest.fixture(params=[OWN, AWS])
def client(request: pytest.FixtureRequest) -> str:
    """Name a client of the Runtime API: each test runs with both."""
    return str(request.param)


@pytest.fixture
def open_sandbox(client: str, function: Path, tmp_path: Path) -> Iterator[Open]:
    """Open sandboxes of the tiny package, or of a handler that a test writes."""
    with ExitStack() as stack:

        def opened(source: str | None = None, **settings: Any) -> Sandbox:
            folder = function
            if source is not None:
                folder = tmp_path / "written"
                folder.mkdir(exist_ok=True)
                (folder / "handler.py").write_text(source)
                for name in (BOOTSTRAP, CLIENT):
                    shutil.copyfile(function / name, folder / name)
            command, variables = own_client(PYTHON, folder), {}
            if client == AWS:
                needs(AWS)
                command = aws_client(PYTHON)
                place = tmp_path / "aws"
                variables = {"PYTHONPATH": str(place)} if place.exists() else aws_variables(place)
            return stack.enter_context(
                Sandbox(folder, command, Settings(**settings), variables=variables)
            )

        yield opened


@pytest.fixture(scope="session")
def tiny_package(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a package without wheels: `python_with_packages` brings them."""
    return write_package(tiny_bundle, tmp_path_factory.mktemp("serverless") / "package")


def write_package(
    bundle: Path, folder: Path, *, arch: str = platform.machine(), python: str = OWN_PYTHON
) -> Path:
    """Write a bundle's package, without wheels."""
    (folder / FUNCTION).mkdir(parents=True)
    add_function(read_artifact(bundle), folder / FUNCTION)
    write_zip(folder / FUNCTION, folder / FUNCTION_ZIP)
    content = {
        "target": "zip",
        "arch": arch,
        "python": python,
        "wheels": [],
        "archives": {FUNCTION_ZIP: FUNCTION},
        "zip_bytes": (folder / FUNCTION_ZIP).stat().st_size,
        "zip_limit_bytes": 50 * 2**20,
        "unzipped_bytes": folder_bytes(folder / FUNCTION),
        "unzipped_limit_bytes": 250 * 2**20,
    }
    write_contents(folder, content)
    return folder


@pytest.fixture(scope="session")
def python_with_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a program that starts Python with this environment's packages on its path."""
    place = Path(numpy.__file__).parents[1]
    file = tmp_path_factory.mktemp("python") / "python"
    file.write_text(
        f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{place}" exec {shlex.quote(sys.executable)} "$@"\n'
    )
    file.chmod(0o755)
    return file

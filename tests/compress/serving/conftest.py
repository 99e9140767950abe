"""Bundles to serve, and a server that many tests ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compress.run.bundle import bundle as write_bundle
from tests.absent import needs
from tests.compress.serving.running import Running, running
from tests.runtimes.tiny import tiny_onnx


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a bundle that answers at once."""
    needs("starlette")
    folder = tmp_path_factory.mktemp("serving")
    tiny_onnx(folder / "onnx")
    write_bundle(folder / "onnx", folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="session")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a bundle that needs tens of milliseconds a text."""
    needs("starlette")
    folder = tmp_path_factory.mktemp("slow")
    tiny_onnx(folder / "onnx", layers=24, hidden=1024)
    write_bundle(folder / "onnx", folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Running]:
    """Run one server for a module's tests."""
    with running(bundle, "--workers", "2") as started:
        yield started

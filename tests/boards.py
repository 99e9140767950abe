"""Packs and emulated boards for tests: made once a session, skipped where tools are missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from filelock import FileLock

from compress.device.emulate import Board, emulate
from compress.device.pack import Pack, build_pack
from profiles.transport.emulated import BOARD
from runtimes.errors import InputError

MakeBoard = Callable[[str], Board]


class MakePack(Protocol):
    """Make the pack of an architecture and a runtime."""

    def __call__(self, arch: str, runtime: str = "onnxruntime") -> Pack:
        """Return it."""


@pytest.fixture(scope="session")
def device_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep what was downloaded for devices through the session; workers of xdist share it."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    return shared / "devices"


@pytest.fixture(scope="session")
def make_pack(device_cache: Path) -> MakePack:
    """Return the pack of an architecture."""

    def make(arch: str, runtime: str = "onnxruntime") -> Pack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EDGEPRESS_CACHE", str(device_cache / "cache"))
            try:
                return build_pack(arch, runtime)
            except InputError as error:
                if "cannot fetch" in str(error) or "apt-get update failed" in str(error):
                    pytest.skip(f"no network: {error.available}")
                raise

    return make


@pytest.fixture(scope="session")
def make_board(device_cache: Path, make_pack: MakePack) -> MakeBoard:
    """Return the emulated board of a shipped profile."""
    if shutil.which("qemu-aarch64-static") is None:
        pytest.skip("needs qemu-aarch64-static (Debian: qemu-user-static)")

    def make(profile: str) -> Board:
        make_pack("aarch64")
        folder = device_cache / profile
        with FileLock(device_cache / f"{profile}.lock"), pytest.MonkeyPatch.context() as patch:
            patch.setenv("EDGEPRESS_CACHE", str(device_cache / "cache"))
            if (folder / BOARD).is_file():
                (made,) = folder.glob("*.toml")
                return Board(folder, made, "")
            return emulate(profile, folder)

    return make

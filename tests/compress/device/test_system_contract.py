"""The contract of every transport, over ssh on a board that is emulated as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from compress.device.emulate_system import emulate_system
from compress.device.setup import install_pack, remote
from compress.device.system_board import SystemBoard
from compress.progress import Silence
from profiles.device import DeviceProfile, load_profile
from tests.boards import MakePack
from tests.profiles.contract_transport import ContractTransport

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def ready(
    device_cache: Path,
    make_pack: MakePack,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DeviceProfile]:
    """Start a board without Python, and put a pack there."""
    for tool in ("qemu-system-aarch64", "mke2fs", "ssh", "ssh-keygen"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    pack = make_pack("aarch64")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRESS_CACHE", str(device_cache / "cache"))
        folder = tmp_path_factory.mktemp("system") / "board"
        made = emulate_system("rpi4", folder, memory_mb=512, python=False)
    profile = load_profile(made.profile)
    with SystemBoard(folder):
        install_pack(remote(profile), pack.folder, profile, Silence())
        yield profile


class TestSystemSsh(ContractTransport):
    @pytest.fixture
    def profile(self, ready: DeviceProfile) -> DeviceProfile:
        return ready

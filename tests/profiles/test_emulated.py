"""The contract on an emulated board: real arm64 code, started from a pack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from profiles.device import DeviceProfile, TransportSettings, load_profile
from profiles.transport.emulated import CPUS, Emulated, checked_cpu, find_qemu, knows
from runtimes.errors import BackendError, DeviceError, ProfileError
from tests.boards import MakeBoard
from tests.profiles.contract_transport import ContractTransport


@pytest.mark.alone
@pytest.mark.slow
class TestEmulated(ContractTransport):
    @pytest.fixture
    def profile(self, make_board: MakeBoard) -> DeviceProfile:
        return load_profile(make_board("rpi4").profile)

    @pytest.mark.parametrize("cpu", CPUS)
    def test_each_core_loads_the_runtime(self, profile: DeviceProfile, cpu: str) -> None:
        transport = Emulated(profile.transport.model_copy(update={"cpu": cpu}))
        code = "import numpy, onnxruntime, tokenizers; print(onnxruntime.__version__)"
        process = transport.run([*transport.python, "-c", code], env={})
        assert process.stdout.readline().strip(), process.said()
        assert process.wait(60) == 0
        process.close()

    def test_it_says_that_it_is_emulated(self, profile: DeviceProfile) -> None:
        facts = Emulated(profile.transport).facts()
        assert facts.emulated
        assert facts.arch == "aarch64"
        assert facts.cpu_model == "cortex-a72"
        assert "asimddp" not in facts.isa

    def test_other_programs_are_refused(self, profile: DeviceProfile) -> None:
        with pytest.raises(BackendError, match="no other program"):
            Emulated(profile.transport).run(["uname", "-m"], env={})

    def test_a_folder_without_its_pack_is_said(self, tmp_path: Path) -> None:
        settings = TransportSettings(kind="emulated", host=str(tmp_path), cpu="cortex-a72")
        with pytest.raises(DeviceError, match="no emulated board there"):
            _ = Emulated(settings).python
        (tmp_path / "board.json").write_text("{}")
        with pytest.raises(DeviceError, match="no pack there"):
            _ = Emulated(settings).python


@pytest.mark.skipif(not shutil.which("qemu-aarch64-static"), reason="needs QEMU's user mode")
def test_a_board_that_was_made_with_other_versions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "board.json").write_text("{}")
    said = {"loader": "lib/ld.so", "program": "bin/python3", "pinned": ["onnxruntime==0.9"]}
    (tmp_path / "pack" / "pack.json").write_text(json.dumps(said))
    settings = TransportSettings(kind="emulated", host=str(tmp_path), cpu="cortex-a72")
    with pytest.raises(DeviceError, match=r"set up with onnxruntime 0\.9; this machine has"):
        _ = Emulated(settings).python


@pytest.mark.parametrize("cpu", [None, "max", "cortex-a57"])
def test_only_checked_cores_are_emulated(cpu: str | None) -> None:
    with pytest.raises(ProfileError, match="not a core that is emulated") as caught:
        checked_cpu(cpu)
    assert caught.value.exit_code == 2


def test_a_host_without_qemu_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="qemu-user-static") as caught:
        find_qemu()
    assert caught.value.exit_code == 4


def test_an_emulator_that_lacks_a_core_says_what_it_has(tmp_path: Path) -> None:
    old = tmp_path / "qemu-aarch64-static"
    old.write_text("#!/bin/sh\necho 'Available CPUs:'\necho '  cortex-a53'\necho '  max'\n")
    old.chmod(0o755)
    knows(str(old), "cortex-a53")
    with pytest.raises(DeviceError, match="available: cortex-a53"):
        knows(str(old), "cortex-a76")

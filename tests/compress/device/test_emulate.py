"""Which devices are emulated, by which core, and the profile that reaches the board."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.device.cores import CORES, core_for, cpuinfo, midr
from compress.device.emulate import check_target, derived_profile, emulate
from compress.device.profile_text import profile_text
from profiles.budget import is_timed
from profiles.device import TransportSettings, load_profile, shipped
from profiles.transport.emulated import CPUS
from runtimes.errors import DeviceError, InputError, UnsupportedError
from runtimes.facts import probe
from tests.boards import MakeBoard

EMULATED = {
    "rpi-zero2w": "cortex-a53",
    "imx8mp": "cortex-a53",
    "rpi4": "cortex-a72",
    "rpi5": "cortex-a76",
    "rk3588": "cortex-a76",
    "android-armv8.2": "cortex-a76",
    "lambda-arm64": "neoverse-n1",
}


@pytest.mark.parametrize("name", shipped())
def test_each_shipped_profile_is_emulated_or_refused_with_the_reason(name: str) -> None:
    profile = load_profile(name)
    if name in EMULATED:
        assert core_for(profile) == EMULATED[name]
        return
    with pytest.raises(UnsupportedError, match="is not emulated"):
        core_for(profile)


def test_the_number_of_a_core_is_the_one_that_linux_shows() -> None:
    assert midr("cortex-a72") == "0x00000000410fd083\n"  # a Raspberry Pi 4's
    assert midr("cortex-a76") == "0x00000000414fd0b1\n"  # a Raspberry Pi 5's


def test_every_core_of_the_whitelist_is_described() -> None:
    assert set(CORES) == set(CPUS)


@pytest.mark.parametrize("core", CPUS)
def test_libraries_and_facts_recognize_the_core(core: str, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(cpuinfo(core, 4))
    facts = probe(tmp_path)
    assert facts.cpu_model == core
    assert facts.cores == 4
    assert facts.int8_dot == (core in ("cortex-a76", "neoverse-n1"))


@pytest.mark.parametrize("name", shipped())
def test_a_profile_s_text_is_read_as_the_same_profile(name: str, tmp_path: Path) -> None:
    profile = load_profile(name)
    (tmp_path / "profile.toml").write_text(profile_text(profile, comment="two\nlines"))
    assert load_profile(tmp_path / "profile.toml") == profile


def test_the_board_s_profile_keeps_the_budgets_and_not_the_device_tree(tmp_path: Path) -> None:
    profile = load_profile("rpi4")
    transport = TransportSettings(kind="emulated", host="/board", cpu="cortex-a72")
    derived = derived_profile(profile, "cortex-a72", transport, 512, "rpi4-emulated")
    assert derived.name == "rpi4-emulated"
    assert derived.budgets.keys() == profile.budgets.keys()
    for metric, budget in derived.budgets.items():
        assert (budget.max, budget.min) == (
            profile.budgets[metric].max,
            profile.budgets[metric].min,
        )
        assert budget.level == ("warn" if is_timed(metric) else profile.budgets[metric].level)
    assert derived.quantization == profile.quantization
    assert derived.match.device_tree_model is None
    assert derived.hardware.isa == ("asimd",)
    assert derived.hardware.memory_mb == 512
    assert derived.transport == transport


def test_a_folder_of_others_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(InputError, match="no emulated board"):
        emulate("rpi4", tmp_path)
    assert (tmp_path / "mine").read_text() == "kept"
    check_target(tmp_path / "new")


def test_a_host_without_qemu_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="qemu-user-static") as caught:
        emulate("rpi4", tmp_path / "board")
    assert caught.value.exit_code == 4
    assert not (tmp_path / "board").exists()


@pytest.mark.slow
def test_a_board_is_made_and_its_profile_reaches_it(make_board: MakeBoard) -> None:
    board = make_board("rpi5")
    profile = load_profile(board.profile)
    assert profile.transport.cpu == "cortex-a76"
    assert (board.folder / "pack" / "pack.json").is_file()
    assert "asimddp" in (board.folder / "prefix/proc/cpuinfo").read_text()

"""What a machine shows of heat, clocks and power, by the files and tools of known boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.measurement import conditions
from runtimes.machine import MachineMonitor
from runtimes.samples import Block, Samples
from runtimes.watch import Asked, Watch, dumpsys, nvidia_smi, tegrastats, vcgencmd


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_the_hottest_cpu_zone_and_every_clock_are_read(tmp_path: Path) -> None:
    zones = "sys/class/thermal/thermal_zone"
    cores = {f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq": "1800000" for n in range(4)}
    write(
        tmp_path,
        {
            f"{zones}0/type": "soc-thermal",
            f"{zones}0/temp": "61000",
            f"{zones}1/type": "bigcore0-thermal",
            f"{zones}1/temp": "72500",
            f"{zones}2/type": "battery",
            f"{zones}2/temp": "90000",
            **cores,
            "sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq": "2400000",
        },
    )
    seen = Watch(tmp_path, ()).read()
    assert seen.temperature_c == 72.5
    assert seen.core_mhz == (1800, 1800, 1800, 1800, 2400)
    assert (seen.power_mw, seen.slowed) == (None, ())
    assert Watch(tmp_path, ()).read().at_s >= seen.at_s


def test_without_a_cpu_zone_every_zone_counts(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone0"
    write(tmp_path, {f"{zone}/type": "acpitz", f"{zone}/temp": "40000"})
    assert Watch(tmp_path, ()).read().temperature_c == 40


@pytest.mark.parametrize(
    "files",
    [
        {"hwmon3/name": "ina226", "hwmon3/power1_input": "4200000"},
        {"hwmon3/name": "ina3221", "hwmon3/in1_input": "5000", "hwmon3/curr1_input": "840"},
    ],
)
def test_an_ina_chip_shows_power(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, {f"sys/class/hwmon/{name}": text for name, text in files.items()})
    assert Watch(tmp_path, ()).read().power_mw == 4200


def test_a_machine_that_shows_nothing_is_no_error(tmp_path: Path) -> None:
    assert Watch(tmp_path, ()).read()[1:] == (None, (), None, ())


def test_tools_are_read() -> None:
    assert vcgencmd("throttled=0x50005").slowed == ("under-voltage", "throttled")
    assert vcgencmd("throttled=0x50000").slowed == ()
    android = (
        "Thermal Status: 2\nCached temperatures:\n\tTemperature{mValue=99.0, mType=0, mName=CPU0}\n"
        "Current temperatures from HAL:\n\tTemperature{mValue=61.2, mType=0, mName=CPU0}\n"
        "\tTemperature{mValue=88.0, mType=3, mName=SKIN}\n"
    )
    assert dumpsys(android) == Asked(61.2, None, ("Android's thermal status 2",))
    assert dumpsys("Can't find service: thermalservice") == Asked()
    line = "RAM 2448/7620MB CPU [5%@1190] cpu@48.2C soc0@46C VDD_IN 4012mW/4100mW"
    assert tegrastats(line) == Asked(48.2, 4012.0)
    assert nvidia_smi("71.50, Active, Not Active\n") == Asked(None, 71500, ("GPU slowed by heat",))
    assert nvidia_smi("[N/A], Not Active, Not Active") == Asked()
    assert nvidia_smi("") == nvidia_smi("No devices were found") == Asked()


def test_a_tool_is_asked_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "vcgencmd"
    tool.write_text(f"#!/bin/sh\necho x >> {tmp_path}/calls\necho throttled=0x4\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    watch = Watch(tmp_path)
    assert {watch.read().slowed for _ in range(5)} == {("throttled",)}
    assert (tmp_path / "calls").read_text() == "x\n"


def test_a_block_says_what_slowed_it(tmp_path: Path) -> None:
    word = "sys/devices/platform/soc/soc:firmware/get_throttled"
    machine = MachineMonitor(write(tmp_path, {word: "e"}))
    seen = machine.evidence(machine.state())
    assert seen["throttled"] is True
    assert seen["slowed"] == ["frequency capped", "throttled", "soft temperature limit"]


def test_the_printout_has_what_was_seen() -> None:
    assert "throttle none" in conditions(_samples())
    hot = conditions(_samples(throttled=True, slowed=("throttled",), temperature_c=84.6))
    assert "throttle 1 of 1 blocks (throttled)  peak 85 °C" in hot


def _samples(**block: object) -> Samples:
    one = Block(0, 0, (1.0,), (False,), (1.0, 1.0), **block)  # type: ignore[arg-type]
    return Samples("m", "onnxruntime", "1", 1, (one,), (), (), (), (), 1.0)

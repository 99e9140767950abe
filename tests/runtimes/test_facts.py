"""The facts of this machine, and of other machines by their files."""

from __future__ import annotations

import getpass
import json
import os
import socket
from pathlib import Path

import pytest

from runtimes.clusters import Cluster
from runtimes.facts import Facts, probe
from tests.runtimes.raspberry import raspberry

PI5_CORE = """processor\t: {n}
BogoMIPS\t: 108.00
Features\t: fp asimd aes sha2 crc32 atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""
XEON_CPU = """processor\t: {n}
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8488C
physical id\t: 0
core id\t\t: {core}
flags\t\t: sse2 fma avx f16c hypervisor avx2 avx512f avx512_vnni amx_bf16 amx_tile amx_int8

"""


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def pi5(tmp_path: Path) -> Path:
    _write(tmp_path, "proc/cpuinfo", "".join(PI5_CORE.format(n=n) for n in range(4)))
    _write(tmp_path, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    _write(tmp_path, "proc/meminfo", "MemTotal:        8256736 kB\nMemFree: 1 kB\n")
    cpu = "sys/devices/system/cpu"
    _write(tmp_path, f"{cpu}/cpu0/cpufreq/scaling_governor", "ondemand\n")
    for core in range(4):
        _write(tmp_path, f"{cpu}/cpu{core}/cpufreq/cpuinfo_max_freq", "2400000\n")
    _write(tmp_path, "sys/class/thermal/thermal_zone0/temp", "52350\n")
    _write(tmp_path, "proc/stat", "cpu  80 0 10 900 5 0 0 5 0 0\ncpu0 1 1\n")
    return tmp_path


@pytest.fixture
def xeon(tmp_path: Path) -> Path:
    text = "".join(XEON_CPU.format(n=n, core=n // 2) for n in range(4))
    _write(tmp_path, "proc/cpuinfo", text)
    _write(tmp_path, "proc/meminfo", "MemTotal: 16777216 kB\n")
    _write(tmp_path, "proc/self/cgroup", "0::/job/step\n")
    _write(tmp_path, "sys/fs/cgroup/job/memory.max", f"{2 * 2**30}\n")
    _write(tmp_path, "sys/fs/cgroup/job/step/memory.max", "max\n")
    _write(tmp_path, "sys/fs/cgroup/job/cpu.max", "50000 100000\n")
    _write(tmp_path, "proc/driver/nvidia/gpus/0/information", "Model: \t\t NVIDIA L4\nIRQ: 1\n")
    return tmp_path


def test_a_raspberry_pi_is_read(pi5: Path) -> None:
    facts = probe(pi5)
    assert facts.device_tree_model == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts.cpu_model == "cortex-a76"
    assert facts.isa == ("asimd", "asimdhp", "asimddp")
    assert facts.int8_dot
    assert (facts.cores, facts.memory_mb, facts.max_mhz) == (4, 8063, 2400)
    assert (facts.governor, facts.temperature_c, facts.steal_percent) == ("ondemand", 52.35, 0.5)
    assert facts.clusters == (Cluster("cortex-a76", (0, 1, 2, 3), 2400),)
    assert facts.page_kb in (4, 16, 64)  # of the machine that this test runs on


def test_a_container_on_a_server_is_read(xeon: Path) -> None:
    facts = probe(xeon)
    assert facts.cpu_model == "Intel(R) Xeon(R) Platinum 8488C"
    assert {"avx512_vnni", "amx_int8"} <= set(facts.isa)
    assert "sse2" not in facts.isa
    assert facts.cores == 2  # two threads a core
    assert facts.cpus == 0.5  # the quota of a folder above its own
    assert facts.memory_mb == 2048
    assert facts.hypervisor
    assert facts.gpus == ("NVIDIA L4",)


def test_a_machine_that_shows_nothing_is_no_error(tmp_path: Path) -> None:
    facts = probe(tmp_path)
    assert (facts.isa, facts.memory_mb, facts.governor, facts.gpus) == ((), None, None, ())
    assert not facts.int8_dot
    assert facts.cpus >= 1


def test_this_machine_is_read() -> None:
    facts = probe()
    assert 0 < facts.cpus <= (os.cpu_count() or 1)
    assert facts.memory_mb is None or facts.memory_mb > 100
    assert facts.fingerprint() == probe().fingerprint()
    assert json.loads(json.dumps(facts.to_json()))["fingerprint"] == facts.fingerprint()


def test_facts_name_no_host_user_or_home() -> None:
    text = json.dumps(probe().to_json())
    private = {socket.gethostname(), str(Path.home())} - {"localhost", "/"}
    private |= {name for name in (getpass.getuser(),) if len(name) > 4}
    assert not [word for word in private if word in text]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"kernel": "Linux 6.12"}, True),
        ({"load_1m": 3.0, "temperature_c": 80.0, "steal_percent": 4.0}, True),
        ({"memory_mb": 8070}, True),
        ({"cpu_model": "cortex-a72"}, False),
        ({"governor": "powersave"}, False),
        ({"cpus": 2.0}, False),
        ({"isa": ("asimd",)}, False),
    ],
)
def test_the_fingerprint_is_of_what_makes_timings(changes: dict[str, object], same: bool) -> None:
    assert (raspberry().fingerprint() == raspberry(**changes).fingerprint()) is same


def test_the_fingerprint_of_a_known_machine_never_changes() -> None:
    assert raspberry().fingerprint() == "91a80e8fae7d473a"


def test_facts_survive_being_sent(xeon: Path, pi5: Path) -> None:
    for facts in (probe(), probe(xeon), probe(pi5)):
        assert Facts.from_json(json.loads(json.dumps(facts.to_json()))) == facts

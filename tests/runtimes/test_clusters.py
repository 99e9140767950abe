"""The clusters of cores of known boards, by their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.clusters import Cluster, clusters, cores_named

A55, A76 = "0xd05", "0xd0b"


def arm(root: Path, parts: list[str], mhz: list[int], capacity: list[int] | None = None) -> Path:
    """Write the files of an arm board: a part, a clock and a capacity for each core."""
    rows = [
        f"processor\t: {n}\nBogoMIPS\t: 48.00\nCPU implementer\t: 0x41\nCPU part\t: {part}\n\n"
        for n, part in enumerate(parts)
    ]
    write(root / "proc/cpuinfo", "".join(rows))
    for cpu, clock in enumerate(mhz):
        folder = root / f"sys/devices/system/cpu/cpu{cpu}"
        write(folder / "cpufreq/cpuinfo_max_freq", f"{clock * 1000}\n")
        if capacity:
            write(folder / "cpu_capacity", f"{capacity[cpu]}\n")
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def rk3588(root: Path) -> Path:
    """Write the files of an RK3588: four little cores, then two pairs of big ones."""
    parts = [A55] * 4 + [A76] * 4
    return arm(root, parts, [1800] * 4 + [2400] * 4, [530] * 4 + [1024] * 4)


def test_a_board_with_big_and_little_cores(tmp_path: Path) -> None:
    known = clusters(rk3588(tmp_path))
    assert known == (
        Cluster("cortex-a76", (4, 5, 6, 7), 2400, 1024),
        Cluster("cortex-a55", (0, 1, 2, 3), 1800, 530),
    )
    assert cores_named("big", known) == cores_named("cortex-a76", known) == (4, 5, 6, 7)
    assert cores_named("little", known) == cores_named("cortex-a55", known) == (0, 1, 2, 3)
    assert str(known[0]) == "cortex-a76 at 2400 MHz (4, 5, 6, 7)"


def test_a_phone_has_three_clusters_and_two_are_big(tmp_path: Path) -> None:
    parts, mhz = [A55] * 4 + [A76] * 4, [1800] * 4 + [2420] * 3 + [2840]
    known = clusters(arm(tmp_path, parts, mhz))
    assert [cluster.cpus for cluster in known] == [(7,), (4, 5, 6), (0, 1, 2, 3)]
    assert cores_named("big", known) == cores_named("cortex-a76", known) == (4, 5, 6, 7)
    assert cores_named("little", known) == (0, 1, 2, 3)


def test_equal_cores_are_neither_big_nor_little(tmp_path: Path) -> None:
    known = clusters(arm(tmp_path, [A76] * 4, [2400] * 4))
    assert known == (Cluster("cortex-a76", (0, 1, 2, 3), 2400),)
    assert cores_named("big", known) == cores_named("little", known) == ()
    assert cores_named("cortex-a72", known) == ()


def test_a_hybrid_pc_has_two_kinds(tmp_path: Path) -> None:
    rows = [f"processor\t: {n}\nmodel name\t: Intel(R) Core(TM)\n\n" for n in range(6)]
    write(tmp_path / "proc/cpuinfo", "".join(rows))
    write(tmp_path / "sys/devices/cpu_core/cpus", "0-1\n")
    write(tmp_path / "sys/devices/cpu_atom/cpus", "2-5\n")
    for cpu in range(6):
        mhz = (5000, 5200, 3800, 3800, 3800, 3800)[cpu]
        folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}"
        write(folder / "cpufreq/cpuinfo_max_freq", f"{mhz}000\n")
    known = clusters(tmp_path)
    assert known == (Cluster("p-core", (0, 1), 5200), Cluster("e-core", (2, 3, 4, 5), 3800))
    assert cores_named("little", known) == (2, 3, 4, 5)


def test_a_machine_that_shows_nothing_has_none(tmp_path: Path) -> None:
    assert clusters(tmp_path) == ()
    assert cores_named("big", ()) == ()


@pytest.mark.parametrize("name", ["big", "little", "cortex-a76"])
def test_this_machine_is_read(name: str) -> None:
    assert set(cores_named(name, clusters())) <= set(range(4096))

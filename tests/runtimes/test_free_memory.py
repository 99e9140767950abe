"""The memory that is left: of the machine, and of each control group around this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.free_memory import free_bytes

MOUNTED = {
    1: "36 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    2: "24 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
}
NAMES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


def _machine(root: Path, version: int, groups: dict[str, tuple[str, int, int]]) -> Path:
    """Picture a machine with 1,024 kB free; each group has a limit, its use, and files in it."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal: 9999 kB\nMemAvailable:   1024 kB\n")
    (root / "proc/self/cgroup").write_text("0::/a/b\n" if version == 2 else "4:memory:/a/b\n0::/\n")
    (root / "proc/self/mountinfo").write_text(MOUNTED[version])
    top = root / ("sys/fs/cgroup" if version == 2 else "sys/fs/cgroup/memory")
    limit, use, files = NAMES[version]
    for name, (most, used, cached) in groups.items():
        (top / name).mkdir(parents=True, exist_ok=True)
        (top / name / limit).write_text(f"{most}\n")
        (top / name / use).write_text(f"{used}\n")
        (top / name / "memory.stat").write_text(f"anon 5\n{files} {cached}\n")
    return root


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("groups", "free"),
    [
        ({}, 1024 * 1024),
        ({"a/b": ("5000", 4000, 300)}, 1300),
        ({"a/b": ("5000", 4000, 300), "a": ("4500", 4200, 0)}, 300),
        ({"a/b": ("9223372036854771712", 4000, 300)}, 1024 * 1024),
        ({"a/b": ("5000", 6000, 0)}, 0),
    ],
)
def test_the_least_of_what_is_left_counts(
    tmp_path: Path, version: int, groups: dict[str, tuple[str, int, int]], free: int
) -> None:
    assert free_bytes(_machine(tmp_path, version, groups)) == free


def test_a_group_without_a_limit_bounds_nothing(tmp_path: Path) -> None:
    assert free_bytes(_machine(tmp_path, 2, {"a/b": ("max", 4000, 0)})) == 1024 * 1024


def test_a_machine_that_says_nothing_is_not_guessed_at(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) is None


def test_this_machine_says_it() -> None:
    free = free_bytes()
    assert free is None or free > 1_000_000

"""How much memory this process may still take: its machine's, and its control groups'."""

from __future__ import annotations

import re
from pathlib import Path

from runtimes.control_group import own_folders, text_of

_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
"""A group's limit, its use, and the row of memory.stat that says what it can take back."""


def free_bytes(root: Path = Path("/")) -> int | None:
    """Return how many bytes the machine and each group with a limit have left; None if unknown."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", text_of(root / "proc/meminfo"), re.MULTILINE)
    known = [int(found[1]) * 1024] if found else []
    for version, own, top in own_folders(root, "memory"):
        above = [own, *own.parents]
        for folder in above[: above.index(top) + 1] if top in above else []:
            left = _left(folder, version)
            known += [] if left is None else [left]
    return min(known, default=None)


def _left(folder: Path, version: int) -> int | None:
    limit_name, use_name, row = _FILES[version]
    limit, use = (text_of(folder / name).strip() for name in (limit_name, use_name))
    if not limit.isdigit() or not use.isdigit():  # version 2 says "max" where there is no limit
        return None
    files = re.search(rf"^{row} (\d+)$", text_of(folder / "memory.stat"), re.MULTILINE)
    return max(0, int(limit) - int(use) + (int(files[1]) if files else 0))

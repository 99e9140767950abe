"""Whether a device can load what is sent to it: the size of its pages of memory decides."""

from __future__ import annotations

from pathlib import Path

from compress.device.elf import read_elf
from runtimes.errors import UnsupportedError

_USUAL_KB = 4
_NAMED = 5


def check_pages(folder: Path, page_kb: int | None, device: str) -> None:
    """Raise UnsupportedError where programs or libraries cannot be loaded with a device's pages.

    A loader refuses a LOAD segment that is aligned to less than a page (System V ABI, chapter 5:
    program loading). Kernels with pages of 16 or 64 KB exist for arm64; None is not known.
    """
    if page_kb is None or page_kb <= _USUAL_KB:
        return
    small = _aligned_below(folder, page_kb * 1024)
    if not small:
        return
    named = [f"{name} ({size // 1024} KB)" for name, size in sorted(small.items())[:_NAMED]]
    more = len(small) - len(named)
    raise UnsupportedError(
        f"{device}: its kernel has pages of {page_kb} KB, and {len(small)} files are made for"
        " smaller ones",
        expected=f"LOAD segments aligned to {page_kb} KB in every program and library",
        available=", ".join(named) + (f" and {more} more" if more > 0 else ""),
        action="boot a kernel with 4 KB pages (a Raspberry Pi 5: kernel=kernel8.img in config.txt)",
    )


def _aligned_below(folder: Path, page_bytes: int) -> dict[str, int]:
    """Return the alignment of each ELF file that cannot be loaded, by its path in the folder."""
    found = {}
    for file in folder.rglob("*"):
        elf = read_elf(file) if file.is_file() and not file.is_symlink() else None
        if elf is not None and elf.page_bytes is not None and elf.page_bytes < page_bytes:
            found[file.relative_to(folder).as_posix()] = elf.page_bytes
    return found

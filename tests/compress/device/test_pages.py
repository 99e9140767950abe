"""A device with large pages of memory gets nothing that it cannot load."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from compress.device.elf import read_elf
from compress.device.pages import check_pages
from runtimes.errors import UnsupportedError


def _library(path: Path, *alignments: int, wide: bool = True) -> Path:
    """Write the headers of a shared library whose LOAD segments are aligned so."""
    header, entry = (64, 56) if wide else (52, 32)
    content = bytearray(header)
    content[:6] = b"\x7fELF" + bytes((2 if wide else 1, 1))
    struct.pack_into("<HH", content, 16, 3, 183 if wide else 40)
    struct.pack_into("<Q" if wide else "<I", content, 32 if wide else 28, header)
    struct.pack_into("<HH", content, 54 if wide else 42, entry, len(alignments))
    for alignment in alignments:
        if wide:
            content += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 64, 64, alignment)
        else:
            content += struct.pack("<IIIIIIII", 1, 0, 0, 0, 64, 64, 5, alignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("wide", [True, False])
def test_the_least_alignment_of_a_library_counts(tmp_path: Path, wide: bool) -> None:
    elf = read_elf(_library(tmp_path / "x.so", 65536, 4096, wide=wide))
    assert elf is not None
    assert elf.page_bytes == 4096
    assert elf.arch == ("aarch64" if wide else "armv7l")


def test_what_a_device_cannot_load_is_refused_by_name(tmp_path: Path) -> None:
    _library(tmp_path / "lib" / "small.so", 65536, 4096)
    _library(tmp_path / "lib" / "large.so", 65536, 65536)
    (tmp_path / "text.py").write_text("pass")
    with pytest.raises(UnsupportedError, match="pages of 16 KB, and 1 files") as caught:
        check_pages(tmp_path, 16, "board")
    assert "lib/small.so (4 KB)" in str(caught.value)
    assert "large.so" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("page_kb", [None, 4])
def test_usual_pages_take_all(tmp_path: Path, page_kb: int | None) -> None:
    _library(tmp_path / "small.so", 4096)
    check_pages(tmp_path, page_kb, "board")


@pytest.mark.parametrize("page_kb", [16, 64])
def test_libraries_for_large_pages_are_taken(tmp_path: Path, page_kb: int) -> None:
    _library(tmp_path / "large.so", 65536)
    check_pages(tmp_path, page_kb, "board")

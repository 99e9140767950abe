"""What an ELF file is made for and which libraries it needs (System V ABI, chapters 4 and 5)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

_MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64"}
_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH = 1, 5, 14, 15, 29


class Elf(NamedTuple):
    """Describe a shared library or program: `needed` are names, `paths` its own search path.

    `page_bytes` is the largest page of memory with which it can be loaded: the least alignment of
    its LOAD segments; None where it has none.
    """

    arch: str
    needed: tuple[str, ...]
    soname: str
    paths: tuple[str, ...]
    page_bytes: int | None


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int
    alignment: int


def read_elf(path: Path) -> Elf | None:
    """Describe an ELF file; None for a file that is none. The bytes are little-endian."""
    with path.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            return None
    content = path.read_bytes()
    wide = content[4] == 2
    machine = struct.unpack_from("<H", content, 18)[0]
    segments = _segments(content, wide=wide)
    entries = _dynamic(content, segments, wide=wide)
    strings = next((value for tag, value in entries if tag == _STRTAB), 0)
    base = _offset_of(segments, strings)

    def texts(*tags: int) -> tuple[str, ...]:
        return tuple(_text(content, base + value) for tag, value in entries if tag in tags)

    paths = [part for text in texts(_RPATH, _RUNPATH) for part in text.split(":") if part]
    arch = _MACHINES.get(machine, f"machine {machine}")
    soname = next(iter(texts(_SONAME)), "")
    pages = min((one.alignment for one in segments if one.kind == _LOAD), default=None)
    return Elf(arch, texts(_NEEDED), soname, tuple(paths), pages)


def _segments(content: bytes, *, wide: bool) -> list[_Segment]:
    first = struct.unpack_from("<Q" if wide else "<I", content, 32 if wide else 28)[0]
    size, count = struct.unpack_from("<HH", content, 54 if wide else 42)
    found = []
    for place in (first + number * size for number in range(count)):
        if wide:
            fields = struct.unpack_from("<IIQQQQQQ", content, place)
            kind, _, offset, address, _, length, _, alignment = fields
        else:
            fields = struct.unpack_from("<IIIIIIII", content, place)
            kind, offset, address, _, length, _, _, alignment = fields
        found.append(_Segment(kind, offset, address, length, alignment))
    return found


def _dynamic(content: bytes, segments: list[_Segment], *, wide: bool) -> list[tuple[int, int]]:
    form = "<qQ" if wide else "<iI"
    table = next((one for one in segments if one.kind == _DYNAMIC), None)
    if table is None:
        return []
    return list(struct.iter_unpack(form, content[table.offset : table.offset + table.size]))


def _offset_of(segments: list[_Segment], address: int) -> int:
    """Return where a memory address lies in the file."""
    for one in segments:
        if one.kind == _LOAD and one.address <= address < one.address + one.size:
            return one.offset + address - one.address
    return 0


def _text(content: bytes, place: int) -> str:
    return content[place : content.index(b"\0", place)].decode()

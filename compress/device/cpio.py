"""A cpio archive in the "newc" format, which Linux unpacks as its first files (initramfs)."""

from __future__ import annotations

import stat
from typing import NamedTuple

_MAGIC = b"070701"
_END = "TRAILER!!!"


class Member(NamedTuple):
    """Describe a file, a folder or a device; `mode` holds its kind (see stat(5))."""

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(name: str) -> Member:
    """Return a folder that all may read."""
    return Member(name, stat.S_IFDIR | 0o755)


def program(name: str, content: bytes) -> Member:
    """Return a file that all may run."""
    return Member(name, stat.S_IFREG | 0o755, content)


def console() -> Member:
    """Return /dev/console, which the first program writes to."""
    return Member("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))


def archive(members: list[Member]) -> bytes:
    """Return the archive of some members, all owned by root; the order is kept."""
    entries = [_entry(number, member) for number, member in enumerate(members, start=1)]
    return b"".join([*entries, _entry(0, Member(_END, 0))])


def _entry(number: int, member: Member) -> bytes:
    name = member.name.encode() + b"\0"
    fields = (
        *(number, member.mode, 0, 0, 1, 0, len(member.content), 0, 0),
        *(*member.device, len(name), 0),
    )
    head = _MAGIC + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(member.content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)

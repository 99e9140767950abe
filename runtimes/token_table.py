"""Read tokenizer.table: a tokenizer's pieces, looked up where they lie in the file.

A line with the format's name and version; a line with the CRC-32 of all after it, in hexadecimal;
a line of JSON, the header; then the offsets of the buckets, uint32, little-endian; then the
buckets themselves. The CRC-32 of a key names its bucket. An entry is 0xFF, the key in UTF-8, 0xFE,
and the value in ASCII: neither byte occurs in UTF-8, so an entry is found by its first and last
byte alone. Nothing is parsed but what a text needs.
"""

from __future__ import annotations

import os
import sys
from zlib import crc32

from runtimes import fields
from runtimes.errors import ArtifactError
from runtimes.lean_json import loads
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from _typeshed import StrPath

TABLE = "tokenizer.table"
FORMAT = b"edgepress tokenizer table 1\n"
KEY, VALUE = b"\xff", b"\xfe"

_MOST_HEADER_BYTES = 2**24
_MOST_BUCKETS = 2**26
_SUM_BYTES = 9
MOST_IDS = 2**31 - 1
"""Ids, and ranks of merges, are smaller."""


class Table:
    """Find the value of a key; `header` describes the tokenizer."""

    def __init__(self, header: Mapping[str, Any], offsets: memoryview, body: bytes) -> None:
        self.header = header
        self._offsets = offsets
        self._body = body
        self._mask = len(offsets) - 2

    def find(self, key: str) -> bytes | None:
        """Return a key's value, None where there is none."""
        entry = key.encode()
        place = crc32(entry) & self._mask
        entry = b"\xff%b\xfe" % entry
        end = self._offsets[place + 1]
        at = self._body.find(entry, self._offsets[place], end)
        if at < 0:
            return None
        at += len(entry)
        stop = self._body.find(KEY, at, end)
        return self._body[at : end if stop < 0 else stop]

    def whole(self, key: str) -> int | None:
        """Return a key's value as an id, None without one; raise ValueError for another value."""
        value = self.find(key)
        return None if value is None else parsed_whole(value)


def parsed_whole(digits: bytes) -> int:
    """Return digits as an id; raise ValueError for anything else."""
    number = int(digits)
    if not 0 <= number < MOST_IDS:
        raise ValueError(f"{digits[:20]!r} stands where an id belongs")
    return number


def read_table(folder: StrPath, source: str) -> Table | None:
    """Read a folder's table of the tokenizer.json whose SHA-256 is `source`.

    Returns None for another version of the format, and on a big-endian machine: the library is
    used there. Raises ArtifactError for a damaged file, and for one of another tokenizer.json.
    """
    path = os.path.join(folder, TABLE)
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise damaged(path, error) from error
    if not content.startswith(FORMAT) or sys.byteorder != "little":
        return None
    try:
        return _parsed(content, source)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise damaged(path, error) from error


def _parsed(content: bytes, source: str) -> Table:
    """Return a file's table; raise ValueError for a malformed one."""
    begin = len(FORMAT) + _SUM_BYTES
    if b"%08x\n" % crc32(memoryview(content)[begin:]) != content[len(FORMAT) : begin]:
        raise ValueError("it is not as it was written")
    end = content.find(b"\n", begin, begin + _MOST_HEADER_BYTES)
    if end < 0:
        raise ValueError("it has no header")
    header = loads(content[begin:end].decode("utf-8"))
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    if fields.text(header, "source") != source:
        raise ValueError("it was made of another tokenizer.json")
    buckets = fields.whole(header, "buckets", 1, _MOST_BUCKETS)
    if buckets & (buckets - 1):
        raise ValueError("the number of its buckets is no power of two")
    start = end + 1 + 4 * (buckets + 1)
    if len(content) != start + fields.whole(header, "body_bytes", 0):
        raise ValueError("it has another length than its header says")
    offsets = memoryview(content)[end + 1 : start].cast("I")
    return Table(header, offsets, content[start:])


def damaged(path: StrPath, error: Exception) -> ArtifactError:
    """Return the error for a table that cannot be read."""
    return ArtifactError(
        f"{path}: cannot be read ({error})",
        expected="the file that was written beside tokenizer.json",
        action="make or copy the artifact again",
    )

"""The file of a linear model over hashed n-grams: mapped into memory, and checked when opened.

Little-endian, in this order: the header; a bias for each class (float32); a table of n-grams; a
table of words, whose weights are the sums over the word itself and the n-grams of its characters. A
table is, for each bucket of hashes, the number of the first row in it, and the number of rows
(uint32 each); the hash of each row, ascending (uint32); the rows, each with a weight for every
class: of an n-gram an int8, stored as uint8 with 128 added, of a word an int16, stored as uint16
with 32,768 added. A hash's bucket is its leading bits.
"""

from __future__ import annotations

import mmap
import struct
import sys
from math import isfinite

from runtimes.errors import ArtifactError, UnsupportedError
from runtimes.lean_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import StrPath

MAGIC = b"edgepress linear"
VERSION = 2
HEADER = struct.Struct("<16sIIIIIIIIId")
"""Magic, version, classes, rows and bits of a bucket of both tables, words of an n-gram at most,
characters of an n-gram at least and at most, and the value of a weight's unit."""

ZERO = 128
"""What a weight of 0 is stored as; of a word, this times 256."""

_MOST_CLASSES = 65_536
_MOST_BUCKET_BITS = 24
_MOST_CHARACTERS = 8


class Header(NamedTuple):
    """Describe a linear model; `word` is 1 or 2, `longest` 0 for no n-grams of characters."""

    classes: int
    rows: int
    bucket_bits: int
    words: int
    word_bits: int
    word: int
    shortest: int
    longest: int
    unit: float

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the bytes of header and biases, then of each table's buckets, hashes and rows."""
        n_grams = _table_sizes(self.rows, self.bucket_bits, self.classes)
        words = _table_sizes(self.words, self.word_bits, 2 * self.classes)
        return (HEADER.size, 4 * self.classes, *n_grams, *words)


def _table_sizes(rows: int, bits: int, row_bytes: int) -> tuple[int, int, int]:
    return 4 * (2**bits + 1), 4 * rows, rows * row_bytes


class _Table:
    """Look a hash's row up."""

    def __init__(self, parts: Sequence[memoryview], rows: int, bits: int) -> None:
        self._starts, self._hashes = parts[0].cast("I"), parts[1].cast("I")
        self._rows = parts[2]
        self._size = len(parts[2]) // max(1, rows)
        self._count = rows
        self._shift = 32 - bits

    def row(self, value: int) -> memoryview | None:
        """Return the stored weights of a hash, None where it has none."""
        bucket = value >> self._shift
        for place in range(self._starts[bucket], self._starts[bucket + 1]):
            if self._hashes[place] == value:
                return self._rows[place * self._size : (place + 1) * self._size]
        return None

    @property
    def is_whole(self) -> bool:
        """Tell whether no bucket lies beyond the rows."""
        return max(self._starts.tolist()) <= self._count


class LinearModel:
    """Hold an opened file: look up n-grams, and whole words."""

    def __init__(self, header: Header, content: memoryview) -> None:
        self.header = header
        parts, end = [], 0
        for size in header.sizes:
            parts.append(content[end : end + size])
            end += size
        self.biases = parts[1].cast("f").tolist()
        self._n_grams = _Table(parts[2:5], header.rows, header.bucket_bits)
        self._words = _Table(parts[5:8], header.words, header.word_bits)
        self.row = self._n_grams.row
        self.word = self._words.row

    def fault(self) -> str:
        """Say what is wrong with the content, "" for nothing."""
        if not (self._n_grams.is_whole and self._words.is_whole):
            return "a bucket beyond its rows"
        return "" if all(map(isfinite, self.biases)) else "a bias that is no number"


def open_linear(path: StrPath) -> LinearModel:
    """Map a file and check it; raise ArtifactError where it is none, or damaged."""
    if sys.byteorder != "little":
        raise UnsupportedError(
            f"{path}: a linear model on a big-endian processor",
            expected="a little-endian one",
            action="run it on another machine",
        )
    try:
        with open(path, "rb") as stream:
            content = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:  # ValueError for an empty file
        raise _damaged(path, str(error)) from error
    header = _header(path, content)
    if sum(header.sizes) != len(content):
        raise _damaged(path, f"{len(content):,} bytes, and {sum(header.sizes):,} by its header")
    model = LinearModel(header, content)
    if fault := model.fault():
        raise _damaged(path, fault)
    return model


def _header(path: StrPath, content: memoryview) -> Header:
    if len(content) < HEADER.size or bytes(content[: len(MAGIC)]) != MAGIC:
        raise _damaged(path, "no header")
    _, version, *fields = HEADER.unpack_from(content)
    if version != VERSION:
        raise _damaged(path, f"version {version}, where {VERSION} is known")
    header = Header(*fields)
    sound = (
        1 <= header.classes <= _MOST_CLASSES
        and header.rows
        and header.bucket_bits in range(1, _MOST_BUCKET_BITS + 1)
        and header.word_bits in range(1, _MOST_BUCKET_BITS + 1)
        and header.word in (1, 2)
        and header.longest <= _MOST_CHARACTERS
        and header.shortest in range(1, max(1, header.longest) + 1)
        and 0 < header.unit < float("inf")
    )
    if not sound:
        raise _damaged(path, f"a header out of its bounds: {header}")
    return header


def _damaged(path: StrPath, why: str) -> ArtifactError:
    return ArtifactError(
        f"{path}: no linear model that can be used ({why})",
        expected="an intact file of the stage linear",
        action="make or copy the artifact again",
    )

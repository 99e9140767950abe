"""Read tokenizer.pairs: pairs of neighboring pieces that have ids of their own.

A line with the format's name and version; the first pair's id and the number of pairs (uint32
each); the first piece of every pair, then the second of every pair (uint32 each). All numbers are
little-endian. A pair's id is the first one's plus its place.
"""

from __future__ import annotations

import os
import struct

from runtimes.errors import ArtifactError
from runtimes.fast_encoder import Encoded
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.token_table import MOST_IDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import StrPath

PAIRS = "tokenizer.pairs"
FORMAT = b"edgepress pairs 1\n"
HEADER = struct.Struct("<II")


class PiecePairs:
    """Add the ids of a text's pairs after those of its pieces."""

    def __init__(self, ids: Mapping[tuple[int, int], int]) -> None:
        """Take the id, never 0, of each pair of pieces that has one."""
        self._id_of = ids.get

    def added(self, encoded: Encoded) -> Encoded:
        """Return a text's pieces, then the pairs that have ids, in the text's order."""
        ids, types = encoded
        pairs = list(filter(None, map(self._id_of, zip(ids, ids[1:]))))
        return Encoded(ids + pairs, types + [0] * len(pairs))


def read_pairs(folder: StrPath) -> PiecePairs:
    """Read a folder's pairs; raise ArtifactError for a missing or damaged file."""
    path = os.path.join(folder, PAIRS)
    try:
        with open(path, "rb") as stream:
            return PiecePairs(_parsed(stream.read()))
    except (OSError, ValueError, struct.error) as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error})",
            expected="the file that was written beside tokenizer.json",
            action="make or copy the artifact again",
        ) from error


def _parsed(content: bytes) -> dict[tuple[int, int], int]:
    """Return the id of each pair; raise ValueError for a malformed file."""
    if not content.startswith(FORMAT):
        raise ValueError("it is of another format or version")
    start = len(FORMAT) + HEADER.size
    first, count = HEADER.unpack(content[len(FORMAT) : start])
    if len(content) != start + 8 * count:
        raise ValueError("it has another length than its header says")
    if not 0 < first <= MOST_IDS - count:
        raise ValueError("ids out of their bounds")
    pieces = struct.unpack_from(f"<{2 * count}I", content, start)
    return dict(zip(zip(pieces[:count], pieces[count:]), range(first, first + count)))

"""Write tokenizer.table beside tokenizer.json, once it is proven to give the library's ids."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from compress.models.token_kinds import Description, UnprovenError, described
from compress.models.token_proof import difference, differing
from compress.progress import Progress
from runtimes.artifact import Artifact
from runtimes.encoder import padding_id
from runtimes.errors import DataError, QualityError
from runtimes.fast_encoder import FastEncoder
from runtimes.files import file_sha256, write_bytes
from runtimes.parsing import parse_json
from runtimes.tasks import TASKS
from runtimes.token_table import FORMAT, KEY, TABLE, VALUE, read_table
from runtimes.tokenizing import TOKENIZER, encode_all, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_ENTRIES_A_BUCKET = 2


def reads_table(task: str) -> bool:
    """Tell whether a task's device half encodes with a table."""
    return TABLE in getattr(TASKS.resolve(task), "optional_files", ())


def write_table(folder: Path, max_length: int, progress: Progress) -> bool:
    """Write a folder's table where all texts of the proof get the library's ids.

    Otherwise there is none, which `progress` says, and devices use the library for every text.
    Raises ArtifactError for a tokenizer.json that the library cannot read.
    """
    path = folder / TABLE
    tokenizer = load_tokenizer(folder, max_length)
    try:
        made = described(parse_json(tokenizer.to_str()), tokenizer)
    except (UnprovenError, ValueError) as error:
        progress.note(f"no {TABLE}: {error}; texts are encoded with tokenizers alone")
        return False
    source = file_sha256(folder / TOKENIZER)
    header = {**made.header, "padding_id": padding_id(tokenizer), "source": source}
    write_bytes(path, table_bytes(Description(header, made.entries)))
    if why := _unproven(folder, source, max_length, tokenizer):
        path.unlink()
        progress.warn(f"no {TABLE}: {why}; texts are encoded with tokenizers alone")
    return not why


def _unproven(folder: Path, source: str, max_length: int, tokenizer: Tokenizer) -> str:
    """Say why a written table is not to be used; empty where it is proven."""
    table = read_table(folder, source)
    if table is None:
        return "this machine cannot read it"
    encoder = FastEncoder(table, max_length)
    if encoder.room < 1:
        return f"{max_length} tokens leave no room for a text"
    try:
        different = difference(encoder, tokenizer)
    except DataError as error:
        return error.received
    return "" if different is None else f"its ids of {different!r} are not those of tokenizers"


def check_rows(artifact: Artifact, rows: Sequence[Any]) -> None:
    """Raise QualityError where a row's ids by an artifact's table are not the library's."""
    if TABLE not in artifact.files:
        return
    texts = [row for row in rows if isinstance(row, str)]
    tokenizer = load_tokenizer(artifact.path, artifact.max_length)
    table = read_table(artifact.path, artifact.files[TOKENIZER].sha256)
    if table is None:
        return
    encoder = FastEncoder(table, artifact.max_length)
    if differing(encoder, texts, encode_all(tokenizer, texts)) is not None:
        raise QualityError(
            f"{artifact.path / TABLE}: a row's token ids are not those of tokenizers",
            expected="the same ids for every row",
            action="export the model again; if it stays so, report it with the row",
        )


def table_bytes(made: Description) -> bytes:
    """Return a table's file (runtimes/token_table.py describes it)."""
    buckets = 1
    while buckets * _ENTRIES_A_BUCKET < len(made.entries):
        buckets *= 2
    content: list[list[bytes]] = [[] for _ in range(buckets)]
    for key, value in sorted(made.entries.items()):
        entry = key.encode()
        content[crc32(entry) & (buckets - 1)].append(KEY + entry + VALUE + value.encode("ascii"))
    joined = [b"".join(one) for one in content]
    offsets = array("I", [0])
    for one in joined:
        offsets.append(offsets[-1] + len(one))
    body = b"".join(joined)
    header = {**made.header, "buckets": buckets, "body_bytes": len(body)}
    line = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("ascii")
    return sealed(line + b"\n" + offsets.tobytes() + body)


def sealed(content: bytes) -> bytes:
    """Return a table's file of its header, offsets and entries."""
    return FORMAT + b"%08x\n" % crc32(content) + content

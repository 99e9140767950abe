"""A folder of figures: one file of JSON lines a profile and branch, made to be kept in git."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compress.progress import Progress
from runtimes.errors import InputError
from runtimes.parsing import parse_json

SCHEMA = 1
_ENDING = ".jsonl"


class Model(BaseModel):
    """Name a model, and how it was run."""

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str
    format: str
    runtime: str
    runtime_version: str
    threads: int


class Figure(BaseModel):
    """Hold a figure and its bounds; `confidence` is that of each bound, None for an exact one."""

    model_config = ConfigDict(frozen=True)

    value: float = Field(allow_inf_nan=False)
    lower: float | None = None
    upper: float | None = None
    confidence: float | None = None


class Entry(BaseModel):
    """Hold the figures of one commit's model, measured once.

    `created` is when it was measured, `committed` when the commit was made, where that is known.
    `probe_ms` is the median time of a fixed piece of work beside the measurement.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    commit: str = Field(min_length=1)
    committed: str = ""
    created: str
    source: Literal["gate", "baseline"]
    status: str = ""
    model: Model
    reference: Model | None = None
    machine: str
    cpu_model: str
    probe_ms: float | None = Field(default=None, gt=0)
    rows_digest: str
    figures: Mapping[str, Figure]


def file_of(folder: Path, profile: str, branch: str) -> Path:
    """Return the file of a profile and branch: PROFILE/BRANCH.jsonl, other signs as %2F is."""
    return folder / quote(profile, safe="") / f"{quote(branch, safe='')}{_ENDING}"


def append(folder: Path, profile: str, branch: str, entry: Entry) -> Path:
    """Add an entry to the file of a profile and branch, and return the file.

    It is one write at the file's end, so entries of several jobs do not mix.
    """
    path = file_of(folder, profile, branch)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(entry.model_dump(exclude_none=True), ensure_ascii=False) + "\n"
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a job ended within its write
        os.write(handle, (("\n" if torn else "") + line).encode("utf-8"))
        os.fsync(handle)
    finally:
        os.close(handle)
    return path


def found(folder: Path) -> list[tuple[str, str]]:
    """List the profiles and branches that a folder has a file of.

    Raises InputError for a folder that has none.
    """
    files = sorted(folder.glob(f"*/*{_ENDING}"))
    if not files:
        raise InputError(
            f"{folder}: no history",
            expected=f"files PROFILE/BRANCH{_ENDING}",
            action="write one: edgepress gate MODEL --data ROWS --history FOLDER",
        )
    return [(unquote(file.parent.name), unquote(file.name[: -len(_ENDING)])) for file in files]


def entries(folder: Path, profile: str, branch: str, progress: Progress) -> list[Entry]:
    """Read the entries of a profile and branch, the oldest commit first.

    They are in the order of their commits' dates where every entry has one, else in that of the
    file. A line that cannot be read is left out, with a warning.
    """
    path = file_of(folder, profile, branch)
    read = list(_read(path, progress))
    if all(entry.committed for entry in read):
        read.sort(key=lambda entry: entry.committed)
    return read


def _read(path: Path, progress: Progress) -> Iterator[Entry]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield Entry.model_validate(_content(line))
        except (ValidationError, ValueError) as error:
            why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            progress.warn(f"{path}, line {number}, is left out: {why}")


def _content(line: str) -> Any:
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        raise ValueError("a conflict of git; set `*.jsonl merge=union` in .gitattributes")
    return parse_json(line)

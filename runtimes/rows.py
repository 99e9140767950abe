"""Read the rows that a command line names: lines, or columns of a table."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from runtimes.errors import DataError, InputError
from runtimes.parsing import parse_json

STDIN = "-"

Columns = Mapping[str, str]
"""The column that holds each key of a row."""


def columns_of(keys: Sequence[str], *named: str | None) -> Columns:
    """Return the columns of a row's keys: those that are named, else the keys themselves.

    Raises InputError for a name where a row has no further key.
    """
    if any(named[len(keys) :]):
        raise InputError(
            f"--text-pair {named[len(keys)]}: this model reads one text",
            action="leave --text-pair out",
        )
    given = (*named, *[None] * len(keys))
    return {key: name or key for key, name in zip(keys, given)}


def row_of(line: str, keys: Sequence[str]) -> Any:
    """Return the row that a line holds: its text, or the object of a model with several keys."""
    if len(keys) == 1:
        return line
    try:
        row = parse_json(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise DataError(
            f"{line[:60]!r} is no row of this model",
            expected="a line of JSON: {" + ", ".join(f'"{key}": "..."' for key in keys) + "}",
            action="write every row so, or give a .csv or .jsonl file with --rows",
        )
    return row


def read_rows(source: str, columns: Columns) -> Iterator[Any]:
    """Yield the rows of a file: one a line, or columns of .csv or .jsonl; `-` is stdin."""
    path = Path("stdin" if source == STDIN else source)
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
    try:
        with _opened(source) as stream:
            yield from readers.get(path.suffix.lower(), _lines)(stream, path, columns)
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}", action="check the path and its permissions"
        ) from None
    except UnicodeDecodeError:
        raise DataError(
            f"{path}: not UTF-8 text; convert it first", action="convert it to UTF-8"
        ) from None


def _opened(source: str) -> AbstractContextManager[TextIO]:
    """Open a file, or stdin, as UTF-8 text, whatever the locale's encoding is."""
    if source != STDIN:
        return Path(source).open(encoding="utf-8-sig", newline="")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict")
    return nullcontext(sys.stdin)


def _lines(stream: Iterable[str], path: Path, columns: Columns) -> Iterator[Any]:
    for key, column in columns.items():
        if column != key:
            raise InputError(
                f"--{key.replace('_', '-')} {column}: {path} is read one row a line and has no"
                " columns",
                action="leave it out, or give a .csv or .jsonl file",
            )
    yield from (row_of(line.rstrip("\r\n"), tuple(columns)) for line in stream)


def _csv_rows(stream: Iterable[str], path: Path, columns: Columns) -> Iterator[Any]:
    import csv  # imported here: the start of a measuring process is timed

    reader = csv.DictReader(stream)
    try:
        for row in reader:
            yield _pick({name: cell or "" for name, cell in row.items()}, path, columns)
    except csv.Error as error:
        raise DataError(
            f"{path}, near line {reader.line_num}: broken csv ({error})",
            expected="texts with a comma, a quote or a line break inside quotes",
            action="check for a quote that is not closed; write long texts a line each, as .txt",
        ) from None


def _jsonl_rows(stream: Iterable[str], path: Path, columns: Columns) -> Iterator[Any]:
    for number, line in enumerate(stream, 1):
        try:
            row = parse_json(line)
        except ValueError:
            raise DataError(
                f"{path}, line {number}: not JSON", action="correct the line: one JSON object"
            ) from None
        yield _pick(row if isinstance(row, dict) else {}, path, columns)


def _pick(row: Mapping[str, Any], path: Path, columns: Columns) -> Any:
    """Return the cell of the only key, or an object of all keys' cells."""
    for key, column in columns.items():
        if column not in row:
            raise DataError(
                f"{path}: no column {column!r}",
                available=", ".join(map(str, row)) or "none",
                action=f"choose one with --{key.replace('_', '-')} COLUMN",
            )
    cells = {key: row[column] for key, column in columns.items()}
    return cells if len(cells) > 1 else next(iter(cells.values()))

"""Read the rows that a command line names: lines of text, or a column of a table."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from runtimes.errors import DataError, InputError
from runtimes.parsing import parse_json

COLUMN = "text"
STDIN = "-"


def read_rows(source: str, column: str | None) -> Iterator[Any]:
    """Yield the rows of a file: one a line, or a column of .csv or .jsonl; `-` is stdin."""
    path = Path("stdin" if source == STDIN else source)
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
    try:
        with _opened(source) as stream:
            yield from readers.get(path.suffix.lower(), _lines)(stream, path, column)
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


def _lines(stream: Iterable[str], path: Path, column: str | None) -> Iterator[str]:
    if column is not None:
        raise InputError(
            f"--text {column}: {path} is read one text a line and has no columns",
            action="leave --text out, or give a .csv or .jsonl file",
        )
    yield from (line.rstrip("\r\n") for line in stream)


def _csv_rows(stream: Iterable[str], path: Path, column: str | None) -> Iterator[str]:
    import csv  # imported here: the start of a measuring process is timed

    reader = csv.DictReader(stream)
    try:
        for row in reader:
            yield _pick(row, path, column) or ""
    except csv.Error as error:
        raise DataError(
            f"{path}, near line {reader.line_num}: broken csv ({error})",
            expected="texts with a comma, a quote or a line break inside quotes",
            action="check for a quote that is not closed; write long texts a line each, as .txt",
        ) from None


def _jsonl_rows(stream: Iterable[str], path: Path, column: str | None) -> Iterator[Any]:
    for number, line in enumerate(stream, 1):
        try:
            row = parse_json(line)
        except ValueError:
            raise DataError(
                f"{path}, line {number}: not JSON", action="correct the line: one JSON object"
            ) from None
        yield _pick(row if isinstance(row, dict) else {}, path, column)


def _pick(row: dict[str, Any], path: Path, column: str | None) -> Any:
    name = column or COLUMN
    if name not in row:
        raise DataError(
            f"{path}: no column {name!r}",
            available=", ".join(map(str, row)) or "none",
            action="choose one with --text COLUMN",
        )
    return row[name]

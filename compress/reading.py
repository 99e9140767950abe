"""Read columns of text from csv, jsonl, parquet or a `datasets` id."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes.errors import DataError, suggest

_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Table:
    """Hold the wanted columns of a source; `lines[i]` is where row `i` stands in it."""

    name: str
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]


def read_table(name: str, folder: Path, columns: tuple[str, ...]) -> Table:
    """Read the named columns of a file, or of a `datasets` id such as "org/name:split".

    Missing values and NaN come out as empty strings. Raises DataError for a missing or empty
    file, a wrong encoding, broken lines or an unknown column.
    """
    path = folder / Path(name).expanduser()
    if path.suffix not in _SUFFIXES:
        return _from_hub(name, columns)
    if not path.is_file():
        raise DataError(
            f"{name}: no such file",
            expected="a csv, tsv, jsonl or parquet file, relative to the recipe",
            action=f"looked at {path}",
        )
    if path.stat().st_size == 0:
        raise DataError(f"{name}: the file is empty")
    records = _READERS[path.suffix](path)
    return _table(name, records, columns)


def check_source(name: str, folder: Path) -> None:
    """Raise DataError at once when a file is named that is not there."""
    path = folder / Path(name).expanduser()
    if path.suffix in _SUFFIXES and not path.is_file():
        raise DataError(f"{name}: no such file", action=f"looked at {path}")


def _table(
    name: str, records: Iterable[tuple[int, Mapping[str, Any]]], columns: tuple[str, ...]
) -> Table:
    rows, lines = [], []
    for line, record in records:
        for column in columns:
            if column not in record:
                raise _unknown_column(name, line, column, record)
        rows.append(tuple(_text(record[column]) for column in columns))
        lines.append(line)
    if not rows:
        raise DataError(f"{name}: no rows below the header")
    return Table(name, tuple(rows), tuple(lines))


def _unknown_column(name: str, line: int, column: str, record: Mapping[str, Any]) -> DataError:
    known = [str(key) for key in record if key is not None]
    near = suggest(column, known)
    return DataError(
        f"{name}, line {line}: no column {column!r}",
        available=", ".join(known),
        action=f"did you mean {near!r}? " if near else "name it under [data]: text = …, label = …",
    )


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    return "" if text.strip() in ("nan", "NaN") else text


def _read_csv(path: Path, delimiter: str = ",") -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter=delimiter, strict=True)
            for record in reader:
                if None in record or None in record.values():
                    raise DataError(
                        f"{path.name}, line {reader.line_num}: not {len(reader.fieldnames or [])}"
                        " fields",
                        expected=f"columns {', '.join(reader.fieldnames or [])}",
                        action="put quotes around texts that hold a comma",
                    )
                yield reader.line_num, record
    except UnicodeDecodeError as error:
        raise _encoding(path, error) from error
    except csv.Error as error:
        raise DataError(f"{path.name}: not a csv file ({error})") from error


def _read_tsv(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return _read_csv(path, delimiter="\t")


def _read_jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, _json_object(path, number, line)
    except UnicodeDecodeError as error:
        raise _encoding(path, error) from error


def _json_object(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name}, line {number}: not JSON ({error})") from error
    if not isinstance(record, dict):
        raise DataError(f"{path.name}, line {number}: {type(record).__name__}", expected="an object")
    return record


def _read_parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    from pyarrow import ArrowException, parquet

    try:
        records = parquet.read_table(path).to_pylist()
    except ArrowException as error:
        raise DataError(f"{path.name}: not a parquet file ({error})") from error
    yield from enumerate(records, start=1)


def _from_hub(name: str, columns: tuple[str, ...]) -> Table:
    """Load "id", "id:split" or a folder saved by `datasets`; class indices become names."""
    from datasets import ClassLabel, load_dataset

    source, _, split = name.partition(":")
    try:
        rows = load_dataset(source, split=split or "train")
    except Exception as error:  # the library raises many types, network ones among them
        raise DataError(
            f"{name}: neither a file with a known ending nor a data set that can be loaded"
            f" ({str(error).splitlines()[0][:200] if str(error) else type(error).__name__})",
            expected="a path ending in .csv, .tsv, .jsonl or .parquet, or a datasets id",
        ) from error
    names = {c: f.names for c, f in rows.features.items() if isinstance(f, ClassLabel)}
    records = (
        {k: names[k][v] if k in names and isinstance(v, int) and v >= 0 else v for k, v in r.items()}
        for r in rows
    )
    return _table(name, enumerate(records, start=1), columns)


def _encoding(path: Path, error: UnicodeDecodeError) -> DataError:
    return DataError(
        f"{path.name}: byte {error.start} is not UTF-8",
        expected="UTF-8 text",
        action=f"convert it, e.g.: iconv -f latin1 -t utf-8 {path.name} > utf8.csv",
    )


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}

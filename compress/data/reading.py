"""Read columns of text from csv, jsonl, parquet or a `datasets` id."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from compress.data.conll import conll_rows
from compress.data.squad import squad_rows
from runtimes.errors import DataError, suggest
from runtimes.packages import require_packages
from runtimes.parsing import parse_json

_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".conll", ".bio", ".json")
_FILES = "a path ending in .csv, .tsv, .jsonl, .parquet, .conll or .json (SQuAD)"
_REACH_S = 10.0
_SEPARATORS = {";": "a semicolon", "\t": "a tab: name the file .tsv", "|": "a bar"}


@dataclass(frozen=True, slots=True)
class RawTable:
    """Hold the requested columns of a source; `lines[i]` is the line of row `i` in it."""

    name: str
    rows: tuple[tuple[Any, ...], ...]
    lines: tuple[int, ...]


Cell = Callable[[Any, str], Any]
"""Return the value of a cell; its place is for error messages; "" for a missing value."""


def read_table(
    name: str,
    folder: Path,
    columns: tuple[str, ...],
    origin: str | None = None,
    cell: Cell | None = None,
) -> RawTable:
    """Read the named columns of a file, or of a `datasets` id such as "org/name:split".

    `origin` says in the error for a missing file where to get it. `cell` converts one value; by
    default, texts, numbers and booleans become text.

    Missing values and NaN become empty strings. Raises DataError for a missing or empty file, a
    wrong encoding, broken lines or an unknown column.
    """
    path = folder / Path(name).expanduser()
    if not _names_file(path):
        return _from_hub(name, columns, cell or text_of)
    return _table(name, read_records(name, folder, origin), columns, cell or text_of)


def read_records(
    name: str, folder: Path, origin: str | None = None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the line and the cells, by column, of each row of a file.

    Raises DataError as `read_table` does, but for unknown columns.
    """
    path = folder / Path(name).expanduser()
    _check_file(name, path, origin)
    return _READERS[path.suffix.lower()](path)


def _names_file(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES or path.is_file()


def _check_file(name: str, path: Path, origin: str | None) -> None:
    if not path.is_file():
        raise DataError(
            f"{name}: {'a folder' if path.is_dir() else 'no such file'}",
            expected="a csv, tsv, jsonl, parquet or conll file, or SQuAD's json",
            available=_neighbors(path),
            action=f"looked at {path.absolute()}" + (f"; get it from {origin}" if origin else ""),
        )
    if path.suffix.lower() not in _SUFFIXES:
        raise DataError(
            f"{name}: unknown kind of file {path.suffix!r}",
            expected=_FILES,
            action="save it as one of these",
        )
    if path.stat().st_size == 0:
        raise DataError(
            f"{name}: the file is empty",
            expected="a header and rows",
            action="write it again, or name another file under [data]",
        )


def _neighbors(path: Path) -> str | None:
    """List the files in the folder where the file was expected, so that a typo shows."""
    if not path.parent.is_dir():
        return None
    names = sorted(p.name for p in path.parent.iterdir() if p.suffix.lower() in _SUFFIXES)
    return ", ".join(names[:8]) or None


def _table(
    name: str,
    records: Iterable[tuple[int, Mapping[str, Any]]],
    columns: tuple[str, ...],
    cell: Cell,
) -> RawTable:
    rows, lines = [], []
    for line, record in records:
        for column in columns:
            if column not in record:
                raise _unknown_column(name, line, column, record)
        rows.append(tuple(cell(record[c], f"{name}, line {line}, column {c!r}") for c in columns))
        lines.append(line)
    if not rows:
        raise DataError(
            f"{name}: no rows below the header",
            expected=f"rows with {' and '.join(columns)}",
            action="write it again, or name another file under [data]",
        )
    return RawTable(name, tuple(rows), tuple(lines))


def _unknown_column(name: str, line: int, column: str, record: Mapping[str, Any]) -> DataError:
    known = [str(key) for key in record if key is not None]
    near = suggest(column, known)
    action = f"did you mean {near!r}?" if near else "name the columns by `text` and `label`"
    if len(known) == 1:
        separators = [said for sign, said in _SEPARATORS.items() if sign in known[0]]
        action = f"its columns seem to be separated by {separators[0]}" if separators else action
    return DataError(
        f"{name}, line {line}: no column {column!r}",
        expected="the columns that hold text and label in every row",
        available=", ".join(known)[:300],
        action=action,
    )


def text_of(value: Any, place: str) -> str:
    """Return a cell as text; raise DataError for a list, an object or bytes."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict | tuple | bytes):
        raise DataError(
            f"{place}: a {type(value).__name__}",
            expected="one text or one label",
            action="name a column of plain values, or write one value a row",
        )
    text = str(value)
    if "\0" in text:
        raise DataError(
            f"{place}: holds NUL bytes",
            expected="UTF-8 text",
            action="the file is damaged, binary or UTF-16: convert it, or leave the row out",
        )
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise DataError(
            f"{place}: holds half of a character (a lone surrogate)",
            expected="text that UTF-8 can write",
            action="convert the row again from its source, or leave it out",
        )
    return "" if text.strip() in ("nan", "NaN") else text


def _read_csv(path: Path, delimiter: str = ",") -> Iterator[tuple[int, Mapping[str, Any]]]:
    with _decoded(path, newline="") as stream:
        reader = csv.DictReader(stream, delimiter=delimiter, strict=True)
        try:
            _check_header(path, reader.fieldnames or ())
            for record in reader:
                if None in record or None in record.values():
                    raise _ragged(path, reader)
                yield reader.line_num, record
        except csv.Error as error:
            if "field limit" in str(error):
                raise _long_field(path, reader.line_num) from error
            raise DataError(
                f"{path.name}, near line {reader.line_num}: broken csv ({error})",
                expected="texts with a comma, a quote or a line break inside quotes",
                action="check for a quote that is not closed, or not doubled inside a text",
            ) from error


def _long_field(path: Path, line: int) -> DataError:
    return DataError(
        f"{path.name}, near line {line}: a field over {csv.field_size_limit():,} characters",
        expected="shorter texts: a model reads the first tokens alone",
        action="shorten the text; if no text is so long, a quote before it is not closed",
    )


def _check_header(path: Path, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path.name}: the header has {', '.join(map(repr, twice[:5]))} more than once",
            expected="one column of each name",
            action="rename or drop one",
        )


def _ragged(path: Path, reader: csv.DictReader[str]) -> DataError:
    names = reader.fieldnames or []
    return DataError(
        f"{path.name}, line {reader.line_num}: not {len(names)} fields",
        expected=f"columns {', '.join(names)}",
        action="put quotes around texts that hold a comma",
    )


@contextmanager
def _decoded(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """Open UTF-8 text, with or without a byte-order mark; name the likely encoding on an error."""
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as stream:
            yield stream
    except UnicodeDecodeError as error:
        raise _encoding(path, error) from error


def _read_tsv(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return _read_csv(path, delimiter="\t")


def _read_jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with _decoded(path) as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, _json_object(path, number, line)


def _json_object(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        record = parse_json(line)
    except ValueError as error:
        raise DataError(
            f"{path.name}, line {number}: not JSON ({error})",
            expected='one object a line: {"text": "…", "label": "…"}',
            action="correct the line; a JSON list of objects is not jsonl",
        ) from error
    if not isinstance(record, dict):
        raise DataError(
            f"{path.name}, line {number}: a {type(record).__name__}",
            expected='one object a line: {"text": "…", "label": "…"}',
            action="correct the line, or write the file as csv",
        )
    return record


def _read_conll(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with _decoded(path) as stream:
        yield from conll_rows(path.name, stream)


def _read_squad(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with _decoded(path) as stream:
        yield from squad_rows(path.name, stream)


def _read_parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    require_packages(f"{path.name}: a parquet file", "pyarrow")
    from pyarrow import ArrowException, parquet

    try:
        _check_header(path, parquet.read_schema(path).names)
        table = parquet.read_table(path)
    except (ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path.name}: not an intact parquet file ({str(error).splitlines()[0][:200]})",
            expected="a whole parquet file",
            action="write or download it again",
        ) from error
    yield from enumerate(_python_rows(path, table), start=1)


def _python_rows(path: Path, table: Any) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
    except (ValueError, OverflowError) as error:  # dates beyond the calendar, bytes as text
        raise DataError(
            f"{path.name}: a value that cannot be read ({str(error)[:200]})",
            expected="texts and labels",
            action="write its column as text, or leave it out",
        ) from error
    return rows


def _from_hub(name: str, columns: tuple[str, ...], cell: Cell) -> RawTable:
    """Load "id", "id:split" or a folder saved by `datasets`; class indices become names."""
    user = f"{name}: no file with the ending {', '.join(_SUFFIXES)} here; a data set of the Hub"
    require_packages(user, "datasets")
    from datasets import ClassLabel, load_dataset

    source, _, split = name.partition(":")
    try:
        with _without_retries(source):
            rows = load_dataset(source, split=split or "train")
    except Exception as error:  # the library raises many types, network ones among them
        raise DataError(
            f"{name}: neither a file with a known ending nor a data set that can be loaded"
            f" ({str(error).splitlines()[0][:200] if str(error) else type(error).__name__})",
            expected=f"{_FILES}, or a datasets id",
            action="offline, name a file",
        ) from error
    names = {c: f.names for c, f in rows.features.items() if isinstance(f, ClassLabel)}
    records = (
        {
            k: names[k][v] if k in names and isinstance(v, int) and v >= 0 else v
            for k, v in r.items()
        }
        for r in rows
    )
    return _table(name, enumerate(records, start=1), columns, cell)


@contextmanager
def _without_retries(source: str) -> Iterator[None]:
    """Use the local copies at once where the Hub cannot be reached.

    The library itself would try for half a minute and print messages.
    """
    from datasets import config
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().dataset_info(source, timeout=_REACH_S)
        reached = True
    except (HfHubHTTPError, HFValidationError):
        reached = True  # it answered, or this is no id: the library reports the error
    except Exception:  # the HTTP client's own errors of the network
        reached = False
    before = config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    if not reached:
        config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


def _encoding(path: Path, error: UnicodeDecodeError) -> DataError:
    with path.open("rb") as stream:
        head = stream.read(64)
    utf16 = head[:2] in (b"\xff\xfe", b"\xfe\xff") or 20 < head.count(0) < 40
    guess = "utf-16" if utf16 else "latin1"
    return DataError(
        f"{path.name}: not UTF-8 (byte {error.object[error.start]:#04x})"
        + (", but UTF-16" if utf16 else ""),
        expected="UTF-8 text",
        action=f"convert it, e.g.: iconv -f {guess} -t utf-8 {path.name} > utf8{path.suffix}",
    )


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".conll": _read_conll,
    ".bio": _read_conll,
    ".json": _read_squad,
}

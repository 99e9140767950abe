"""Files of rows: damaged, of another kind, or full of what a row does not expect."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.hostile.case import BAD_INPUT, TOLERATED, Case, Cases
from tests.hostile.ground import DRY_RUN

KIND = "rows"
HEAD = "text,label\n"
GOOD = "my card,a\nlost it,b\nhello there,c\n"

_CSV: Mapping[str, tuple[bytes, tuple[int, ...]]] = {
    "empty": (b"", BAD_INPUT),
    "only a head": (HEAD.encode(), BAD_INPUT),
    "no head": (GOOD.encode(), BAD_INPUT),
    "only zeros": (b"\0" * 4096, BAD_INPUT),
    "noise": (bytes(range(256)) * 64, BAD_INPUT),
    "UTF-16": ((HEAD + GOOD).encode("utf-16"), BAD_INPUT),
    "Latin-1": ((HEAD + "caf\u00e9,a\n" + GOOD).encode("latin-1"), BAD_INPUT),
    "a byte order mark": (b"\xef\xbb\xbf" + (HEAD + GOOD).encode(), TOLERATED),
    "a NUL in a text": ((HEAD + "my\0card,a\n" + GOOD).encode(), TOLERATED),
    "an open quote": ((HEAD + '"my card,a\n' + GOOD).encode(), BAD_INPUT),
    "a field of 200,000 characters": ((HEAD + "x" * 200_000 + ",a\n" + GOOD).encode(), TOLERATED),
    "a column twice": (("text,label,label\n" + "my card,a,b\n").encode(), BAD_INPUT),
    "too few fields": ((HEAD + "my card\n").encode(), BAD_INPUT),
    "too many fields": ((HEAD + "my card,a,b,c\n").encode(), BAD_INPUT),
    "an unknown label": ((HEAD + "my card,zebra\n").encode(), BAD_INPUT),
    "a label of 5,000 digits": ((HEAD + f"my card,{'9' * 5000}\n").encode(), BAD_INPUT),
    "a superscript label": ((HEAD + "my card,²\n").encode(), BAD_INPUT),
    "a label that commands a runner": ((HEAD + 'my card,"x\n::error::y"\n').encode(), BAD_INPUT),
    "a label that commands a terminal": ((HEAD + "my card,\x1b[2J\n").encode(), BAD_INPUT),
    "HTML": (b"<!DOCTYPE html><html><body>not found</body></html>", BAD_INPUT),
    "a pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        BAD_INPUT,
    ),
}
_JSONL: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "empty": ("", BAD_INPUT),
    "an array": ('[{"text": "a", "label": "a"}]', BAD_INPUT),
    "numbers": ("1\n2\n", BAD_INPUT),
    "null": ("null\n", BAD_INPUT),
    "cut": ('{"text": "my card", "lab', BAD_INPUT),
    "nested 100,000 levels": ("[" * 100_000 + "\n", BAD_INPUT),
    "a number of 5,000 digits": ('{"text": "a", "label": ' + "9" * 5000 + "}\n", BAD_INPUT),
    "a text that is a list": ('{"text": ["a"], "label": "a"}\n', BAD_INPUT),
    "a text that is null": ('{"text": null, "label": "a"}\n', BAD_INPUT),
    "a label that is NaN": ('{"text": "a", "label": NaN}\n', BAD_INPUT),
    "a label that is an object": ('{"text": "a", "label": {"a": 1}}\n', BAD_INPUT),
    "a lone surrogate": ('{"text": "\\ud800", "label": "a"}\n', TOLERATED),
    "a label with a lone surrogate": ('{"text": "a", "label": "\\udfff"}\n', BAD_INPUT),
    "a key twice": ('{"text": "a", "text": "b", "label": "a"}\n', TOLERATED),
}


def cases() -> Cases:
    """Yield the cases of rows: in a recipe's test file, and read by predict."""
    for name, (content, codes) in _CSV.items():
        yield _in_recipe(f"csv, {name}", "test.csv", content, codes)
        yield _to_predict(f"csv, {name}", "rows.csv", content)
    for name, (line, codes) in _JSONL.items():
        content = line.encode()
        yield _in_recipe(f"jsonl, {name}", "test.jsonl", content, codes)
        yield _to_predict(f"jsonl, {name}", "rows.jsonl", content)
    for name, content in (("empty", b""), ("noise", b"PAR1" + b"\xff" * 100 + b"PAR1")):
        yield _in_recipe(f"parquet, {name}", "test.parquet", content, BAD_INPUT)
    yield from _tables()
    yield from _places()


def _in_recipe(name: str, file: str, content: bytes, codes: tuple[int, ...]) -> Case:
    def prepare(folder: Path) -> None:
        (folder / file).write_bytes(content)
        _use(folder, file)

    return Case(KIND, f"test rows, {name}", DRY_RUN, prepare, codes)


def _use(folder: Path, file: str) -> None:
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('"test.csv"', f'"{file}"'))


def _to_predict(name: str, file: str, content: bytes) -> Case:
    return Case(
        KIND,
        f"predict, {name}",
        ("predict", "onnx", "--rows", file),
        lambda folder: (folder / file).write_bytes(content),
        TOLERATED,
    )


def _tables() -> Iterator[Case]:
    import datetime

    columns: Mapping[str, Mapping[str, Any]] = {
        "no rows": {"text": [], "label": []},
        "no label column": {"text": ["a"]},
        "a label that is NaN": {"text": ["a"], "label": [float("nan")]},
        "labels that are times": {
            "text": ["a"],
            "label": [datetime.datetime(2500, 1, 1, tzinfo=datetime.UTC)],
        },
        "labels that are bytes": {"text": ["a"], "label": [b"\xff"]},
        "labels that are lists": {"text": ["a"], "label": [["a"]]},
    }
    for name, content in columns.items():
        yield Case(KIND, f"parquet, {name}", DRY_RUN, _parquet(content))


def _parquet(columns: Mapping[str, Any]) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table(dict(columns)), folder / "test.parquet")
        _use(folder, "test.parquet")

    return prepare


def _places() -> Iterator[Case]:
    """Yield rows that are no file: a folder, links in a circle, a device, a pipe."""
    forms: Mapping[str, Callable[[Path], object]] = {
        "a folder": lambda place: place.mkdir(),
        "a link to itself": lambda place: place.symlink_to(place.name),
        "a link to nothing": lambda place: place.symlink_to("nothing"),
        "a link to a device": lambda place: place.symlink_to("/dev/null"),
        "not readable": _unreadable,
    }
    for name, make in forms.items():

        def prepare(folder: Path, make: Callable[[Path], object] = make) -> None:
            (folder / "test.csv").unlink()
            make(folder / "test.csv")

        allowed = TOLERATED if name == "not readable" and os.geteuid() == 0 else BAD_INPUT
        yield Case(KIND, f"test rows, {name}", DRY_RUN, prepare, allowed)
    yield Case(KIND, "a file twice", DRY_RUN, _twice)


def _unreadable(place: Path) -> None:
    place.write_text(HEAD + GOOD)
    place.chmod(0)


def _twice(folder: Path) -> None:
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('"test.csv"', '["test.csv", "./test.csv"]'))

"""A sentiment set, made of rated sentences."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from benchmarks.review_rows import write_rows
from runtimes.errors import DataError

_LINES = [
    "1\t2.5\tgood film",
    "2\t-1.0\tno fun",
    "3\t0.4\ta film",
    "4\t-3\tgood film",
    "5\t1.5\tcaf\xe9",
]


def _file(folder: Path, *lines: str) -> Path:
    path = folder / "snippets.txt"
    path.write_text("\r\n".join(lines) + "\r\n", encoding="latin-1", newline="")
    return path


def test_neutral_and_repeated_sentences_are_left_out_and_the_rest_is_split(tmp_path: Path) -> None:
    counts = write_rows(_file(tmp_path, *_LINES), tmp_path / "out", 2)
    assert sum(counts["train"].values()) == 2
    assert sum(counts["test"].values()) == 1
    rows = []
    for name in ("train", "test"):
        with (tmp_path / "out" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows += [(row["text"], row["label"]) for row in csv.DictReader(file)]
    assert sorted(rows) == [("café", "positive"), ("good film", "positive"), ("no fun", "negative")]


@pytest.mark.parametrize("lines", [["1\tgood\tfilm"], ["1\t2.0"], ["1\t2.0\tgood film"]])
def test_another_file_or_too_few_rows_are_refused_and_nothing_is_written(
    tmp_path: Path, lines: list[str]
) -> None:
    with pytest.raises(DataError):
        write_rows(_file(tmp_path, *lines), tmp_path / "out", 2)
    assert not (tmp_path / "out").exists()

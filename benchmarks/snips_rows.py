"""Two more data sets of the Snips slots: which slots a request has, and how many.

python -m benchmarks.snips_rows --snips FOLDER --out FOLDER [--rows 4000]

Writes OUT/labels (text, label: the types of its slots) and OUT/numbers (text, label: the number of
its slots), each with train, validation and test as jsonl. Train has the first so many rows; the
splits are those of the source, so no test row is used for anything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.command import run
from compress.data.reading import read_records

SPLITS = ("train", "validation", "test")


@click.command(context_settings={"show_default": True})
@click.option("--snips", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--rows", default=4000, type=click.IntRange(1), help="Of train.")
def main(snips: Path, out: Path, rows: int) -> None:
    """Write the two data sets."""
    run(lambda: write_rows(snips, out, rows), _table, None)


def write_rows(snips: Path, out: Path, rows: int) -> dict[str, int]:
    """Write both data sets; return each split's number of rows. Raises DataError for bad files."""
    counts = {}
    for split in SPLITS:
        known = list(_requests(snips / f"{split}.jsonl"))[: rows if split == "train" else None]
        which = [(text, sorted(set(types))) for text, types in known]
        _write(out / "labels" / f"{split}.jsonl", which)
        _write(out / "numbers" / f"{split}.jsonl", [(text, len(types)) for text, types in known])
        counts[split] = len(known)
    return counts


def _table(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{split:<11}{count} rows" for split, count in counts.items())


def _requests(path: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each request's text and the types of its slots, one for each slot."""
    for _, record in read_records(path.name, path.parent):
        yield " ".join(record["tokens"]), _types(record)


def _types(record: Mapping[str, Any]) -> list[str]:
    return [tag.removeprefix("B-") for tag in record["tags"] if tag.startswith("B-")]


def _write(path: Path, rows: Sequence[tuple[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()

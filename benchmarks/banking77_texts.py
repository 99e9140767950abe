"""Banking77 for sentence embeddings: texts without labels to learn, labeled ones to judge.

python -m benchmarks.banking77_texts --banking77 FOLDER --out FOLDER [--share 0.15]

Writes OUT/texts.jsonl (text), OUT/validation.jsonl and OUT/test.jsonl (text, label). Validation is
a share of each intent's train rows, texts are the others, test is the source's test half. Of train,
a text that is in test too, or twice, is left out, so that no text is on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from benchmarks.command import run
from compress.data.reading import read_records
from compress.data.rows import Record, normal
from compress.data.splitting import split_rows

_SEED = 7


@click.command(context_settings={"show_default": True})
@click.option("--banking77", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--share", default=0.15, type=click.FloatRange(0.01, 0.9), help="Validation's.")
def main(banking77: Path, out: Path, share: float) -> None:
    """Write the three files."""
    run(lambda: write_rows(banking77, out, share), _table, None)


def write_rows(banking77: Path, out: Path, share: float) -> dict[str, int]:
    """Write the files; return each one's number of rows. Raises DataError for bad files."""
    test = list(_records(banking77 / "test.csv"))
    train = list(_new(_records(banking77 / "train.csv"), {normal(row.input) for row in test}))
    texts, validation = split_rows(train, share, _SEED, lambda row: str(row.target))
    _write(out / "texts.jsonl", [{"text": row.input} for row in texts])
    for name, rows in (("validation", validation), ("test", test)):
        labeled = [{"text": row.input, "label": row.target} for row in rows]
        _write(out / f"{name}.jsonl", labeled)
    return {"texts": len(texts), "validation": len(validation), "test": len(test)}


def _table(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{name:<11}{count} rows" for name, count in counts.items())


def _records(path: Path) -> Iterator[Record]:
    for _, record in read_records(path.name, path.parent):
        yield Record(record["text"], record["category"])


def _new(rows: Iterable[Record], known: set[str]) -> Iterator[Record]:
    """Yield the rows whose texts are not known yet."""
    for row in rows:
        if (text := normal(row.input)) not in known:
            known.add(text)
            yield row


def _write(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()

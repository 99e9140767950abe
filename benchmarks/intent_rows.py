"""A set of 150 intents: those of Banking77, and those of Snips told apart by their slots.

python -m benchmarks.intent_rows --banking FOLDER --snips FOLDER --out FOLDER

Banking77 has 77 intents. Snips has 7, but its rows name their slots: an intent with the set of its
slots' types ("PlayMusic artist service") is a class of its own, and the most frequent ones fill up
to --classes. Each class has --rows rows of training at most, 12,532 in all by default; of what is
left of it at most a third as many are the test split. Banking77's test rows stay test rows.
Writes OUT/train.csv and OUT/test.csv, both with text and label. Each text stands once.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from benchmarks.advise_cases import banking as banking_rows
from benchmarks.command import run
from benchmarks.labeled_rows import write_labeled
from runtimes.errors import DataError

_SEED = 7
_TEST_SHARE = 3
"""A class has one test row for so many training rows, at most."""

Rows = dict[str, list[str]]
"""The texts of each label."""


@click.command(context_settings={"show_default": True})
@click.option("--banking", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--snips", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--classes", default=150, type=click.IntRange(78), help="Classes in all.")
@click.option("--rows", default=100, type=click.IntRange(3), help="Training rows a class.")
def main(banking: Path, snips: Path, out: Path, classes: int, rows: int) -> None:
    """Write the two splits."""
    run(lambda: write_rows(banking, snips, out, classes, rows), _table, None)


def write_rows(
    banking: Path, snips: Path, out: Path, classes: int = 150, rows: int = 100
) -> dict[str, dict[str, int]]:
    """Write both splits; return each one's rows and classes.

    Raises DataError where Snips has too few intents with enough rows.
    """
    draw = random.Random(_SEED)
    train = _capped(_grouped(banking_rows(banking, "train")), rows, draw)
    test = _capped(_grouped(banking_rows(banking, "test")), rows // _TEST_SHARE, draw)
    for label, texts in _most_frequent(_snips_rows(snips), classes - len(train), draw).items():
        tests = min(rows // _TEST_SHARE, len(texts) // (1 + _TEST_SHARE))
        test[label], train[label] = texts[:tests], texts[tests : tests + rows]
    out.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name, known in {"train": train, "test": test}.items():
        pairs = [(text, label) for label, texts in known.items() for text in texts]
        draw.shuffle(pairs)
        write_labeled(out / f"{name}.csv", pairs)
        counts[name] = {"rows": len(pairs), "classes": len(known)}
    return counts


def _snips_rows(folder: Path) -> Rows:
    """Return the texts of each intent with the types of its slots, of all splits."""
    pairs = []
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            slots = sorted({tag[2:] for tag in row["tags"] if tag != "O"})
            pairs.append((" ".join(row["tokens"]), " ".join([row["intent"], *slots])))
    return _grouped(pairs)


def _grouped(pairs: Iterable[tuple[str, str]]) -> Rows:
    """Return the texts of each label, each text once."""
    rows: Rows = {}
    for text, label in dict(pairs).items():
        rows.setdefault(label, []).append(text)
    return rows


def _capped(rows: Rows, most: int, draw: random.Random) -> Rows:
    """Return at most so many texts of each label, drawn."""
    return {
        label: draw.sample(texts, min(most, len(texts))) for label, texts in sorted(rows.items())
    }


def _most_frequent(rows: Rows, count: int, draw: random.Random) -> Rows:
    """Return the texts, in a random order, of the labels that have the most; raise for too few."""
    sizes = Counter({label: len(texts) for label, texts in rows.items()})
    chosen = dict(sizes.most_common(count))
    if len(chosen) < count or min(chosen.values(), default=0) < 1 + _TEST_SHARE:
        raise DataError(
            f"Snips has {len(sizes)} intents with slots",
            expected=f"{count} of them with {1 + _TEST_SHARE} rows or more",
            action="name fewer --classes",
        )
    return _capped({label: rows[label] for label in chosen}, max(chosen.values()), draw)


def _table(counts: Mapping[str, Mapping[str, int]]) -> str:
    return "\n".join(
        f"{name:<6}{count['rows']:>7,} rows{count['classes']:>5} classes"
        for name, count in counts.items()
    )


if __name__ == "__main__":
    main()

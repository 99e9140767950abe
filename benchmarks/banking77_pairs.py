"""Two data sets of pairs of Banking77's texts: of the same intent or not, and candidates to rank.

python -m benchmarks.banking77_pairs --data FOLDER --out FOLDER2 [--queries 2000,300,600]
    [--candidates 10]

Writes OUT/pairs (text, text_pair, label: same or different) and OUT/ranking (id, text: the query,
text_pair, label: 1 for a text of the query's intent), each with train, validation and test as csv.
The texts of validation are drawn from train.csv, those of test are of test.csv, and a text stands
in one split alone, whatever its case and white space. Each text begins one pair, whose other text
has its intent or another one, half and half. So many texts are queries; a group has one to three
texts of the query's intent. Of the texts of other intents every second one is hard: of 20 drawn
ones, the one that shares most words with the query.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.command import run
from compress.data.reading import read_table
from compress.data.rows import normal
from runtimes.errors import DataError

SPLITS = ("train", "validation", "test")
_VALIDATION = 0.15
_DRAWN = 20
_MOST_RELEVANT = 3

Texts = Sequence[tuple[str, str]]
"""Each text with its intent."""


@click.command(context_settings={"show_default": True})
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--queries", default="2000,300,600", help="Of train, validation and test.")
@click.option("--candidates", default=10, type=click.IntRange(_MOST_RELEVANT + 1))
@click.option("--seed", default=7, type=click.IntRange(0))
def main(data: Path, out: Path, queries: str, candidates: int, seed: int) -> None:
    """Write the two data sets."""
    counts = dict(zip(SPLITS, map(int, queries.split(",")), strict=True))
    run(lambda: write_rows(data, out, counts, candidates, seed), _table, None)


def write_rows(
    data: Path, out: Path, queries: Mapping[str, int], candidates: int, seed: int
) -> dict[str, int]:
    """Write both data sets; return the number of pairs and of candidates of each split.

    Raises DataError for files that cannot be read.
    """
    counts: dict[str, int] = {}
    for split, texts in _split(data, seed).items():
        draw = random.Random(f"{seed} {split}")
        others = _Others(texts, draw)
        chosen = draw.sample(range(len(texts)), min(queries[split], len(texts)))
        pairs = [row for place in range(len(texts)) for row in _pair(others, place)]
        ranking = [
            row
            for number, place in enumerate(chosen)
            for row in _group(others, place, f"{split}-{number}", candidates)
        ]
        _write(out / "pairs" / f"{split}.csv", ("text", "text_pair", "label"), pairs)
        header = ("id", "text", "text_pair", "label")
        _write(out / "ranking" / f"{split}.csv", header, ranking)
        counts |= {f"pairs/{split}": len(pairs), f"ranking/{split}": len(ranking)}
    return counts


class _Others:
    """Draw texts of the same intent as a query, and of others."""

    def __init__(self, texts: Texts, draw: random.Random) -> None:
        self.texts = texts
        self.draw = draw
        self._words = [frozenset(normal(text).split()) for text, _ in texts]
        self._of: dict[str, list[int]] = defaultdict(list)
        for place, (_, intent) in enumerate(texts):
            self._of[intent].append(place)

    def same(self, query: int, count: int) -> list[int]:
        """Return up to so many other texts of a query's intent."""
        known = [place for place in self._of[self.texts[query][1]] if place != query]
        return self.draw.sample(known, min(count, len(known)))

    def different(self, query: int, count: int) -> list[int]:
        """Return so many texts of other intents, every second one hard; none stands twice."""
        found: dict[int, None] = {}
        while len(found) < count:
            drawn = self.draw.sample(range(len(self.texts)), min(_DRAWN, len(self.texts)))
            fit = [one for one in drawn if not self._is_same(query, one) and one not in found]
            if fit:
                hard = max(fit, key=lambda one: len(self._words[one] & self._words[query]))
                found[hard if len(found) % 2 else fit[0]] = None
        return list(found)

    def _is_same(self, one: int, other: int) -> bool:
        return self.texts[one][1] == self.texts[other][1]


def _pair(others: _Others, query: int) -> Iterator[tuple[str, str, str]]:
    text = others.texts[query][0]
    if others.draw.random() < 0.5:
        yield from ((text, others.texts[one][0], "same") for one in others.same(query, 1))
    else:
        other = others.different(query, 2)[others.draw.randrange(2)]
        yield text, others.texts[other][0], "different"


def _group(
    others: _Others, query: int, name: str, candidates: int
) -> list[tuple[str, str, str, int]]:
    text = others.texts[query][0]
    relevant = others.same(query, others.draw.randint(1, _MOST_RELEVANT))
    rest = others.different(query, candidates - len(relevant))
    rows = [(name, text, others.texts[one][0], 1) for one in relevant]
    rows += [(name, text, others.texts[one][0], 0) for one in rest]
    others.draw.shuffle(rows)
    return rows


def _split(data: Path, seed: int) -> dict[str, Texts]:
    """Return each split's texts; those of test are in no other one."""
    taken: set[str] = set()
    test = _distinct(data / "test.csv", taken)
    rest = _distinct(data / "train.csv", taken)
    random.Random(seed).shuffle(rest)
    count = round(len(rest) * _VALIDATION)
    splits: dict[str, Texts] = {"train": rest[count:], "validation": rest[:count], "test": test}
    for name, texts in splits.items():
        if len({intent for _, intent in texts}) < 2:
            raise DataError(
                f"{name} has {len(texts)} texts of one intent",
                expected="texts of two intents or more",
                action="name the folder of Banking77's train.csv and test.csv",
            )
    return splits


def _distinct(path: Path, taken: set[str]) -> list[tuple[str, str]]:
    """Return the texts that are not taken yet, and take them."""
    found = []
    for text, intent in read_table(path.name, path.parent, ("text", "category")).rows:
        if normal(text) not in taken:
            taken.add(normal(text))
            found.append((text, intent))
    return found


def _write(path: Path, header: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])


def _table(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{name:<20}{count} rows" for name, count in counts.items())


if __name__ == "__main__":
    main()

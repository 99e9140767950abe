"""A sentiment set of two classes, of movie reviews' sentences with at least 20 raters each.

python -m benchmarks.review_rows --snippets movieReviewSnippets_GroundTruth.txt --out FOLDER

The file lies in the source archive of the Python package vaderSentiment 3.3.2 (MIT; Hutto and
Gilbert 2014, from sentences of Pang and Lee), in additional_resources/hutto_ICWSM_2014.tar.gz.
Writes OUT/train.csv (6,900 rows by default) and OUT/test.csv (the rest), both with text and label.
Sentences that the raters place within a point of neutral are left out, and each text once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks.command import run
from benchmarks.labeled_rows import write_labeled
from runtimes.errors import DataError

_NEUTRAL = 1.0
"""Mean ratings run from -4 to 4."""
_SEED = 7


@click.command(context_settings={"show_default": True})
@click.option("--snippets", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--train", "rows", default=6900, type=click.IntRange(1), help="Rows to train.")
def main(snippets: Path, out: Path, rows: int) -> None:
    """Write the two splits."""
    run(lambda: write_rows(snippets, out, rows), _table, None)


def write_rows(snippets: Path, out: Path, rows: int) -> dict[str, dict[str, int]]:
    """Write both splits; return each one's labels with their counts.

    Raises DataError for a file of another form or with too few rows.
    """
    known = sorted(_sentences(snippets).items())
    if len(known) <= rows:
        raise DataError(
            f"{snippets} has {len(known):,} sentences that are not neutral",
            expected=f"more than --train, {rows:,}, since the rest is the test split",
            action="name a smaller --train",
        )
    random.Random(_SEED).shuffle(known)
    out.mkdir(parents=True, exist_ok=True)
    splits = {"train": known[:rows], "test": known[rows:]}
    for name, pairs in splits.items():
        write_labeled(out / f"{name}.csv", pairs)
    return {name: dict(Counter(label for _, label in pairs)) for name, pairs in splits.items()}


def _sentences(snippets: Path) -> dict[str, str]:
    """Return the label of each text that is not neutral."""
    labels: dict[str, str] = {}
    with snippets.open(encoding="latin-1", newline="\n") as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip("\r\n").split("\t")
            try:
                _, rating, text = fields
                mean = float(rating)
            except ValueError:
                raise DataError(
                    f"{snippets}:{number} has {len(fields)} fields: {line[:80]!r}",
                    expected="number, mean rating and text, with tabs between them",
                    action="name movieReviewSnippets_GroundTruth.txt",
                ) from None
            if abs(mean) >= _NEUTRAL:
                labels.setdefault(text, "positive" if mean > 0 else "negative")
    return labels


def _table(counts: Mapping[str, Mapping[str, int]]) -> str:
    return "\n".join(
        f"{name:<6}{count:>6,} {label}"
        for name, labels in counts.items()
        for label, count in sorted(labels.items())
    )


if __name__ == "__main__":
    main()

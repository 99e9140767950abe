"""Write rows of texts and labels, as every benchmark's own set has them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_labeled(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write a csv file with the columns text and label."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])

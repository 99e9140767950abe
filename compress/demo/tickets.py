"""The demonstration's data set: support tickets to route, written by this project."""

import csv
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from compress.demo.annotators import annotate
from compress.demo.dice import Dice
from compress.demo.drafts import Draft, drafts
from compress.demo.lexicon import lexicon
from compress.demo.splits import SPLITS, assign

COLUMNS = ("text", "label", "group")


@dataclass(frozen=True, slots=True)
class Ticket:
    """One labelled row; `group` is its scenario, behind the class that it was written for."""

    text: str
    label: str
    group: str
    split: str


def generate(seed: int = 7, rows: int = 4000) -> tuple[Ticket, ...]:
    """Return the tickets in a shuffled order, the same for the same seed and rows.

    Raises ValueError when the grammar cannot tell that many different tickets.
    """
    told = drafts(lexicon(), seed, rows)
    split_of = assign(_strata(told), Dice(seed, "splits"))
    ordered = Dice(seed, "order").shuffled(told)
    families = [draft.family for draft in ordered]
    splits = [split_of[family.group] for family in families]
    labels = annotate(families, splits, Dice(seed, "annotators"))
    return tuple(
        Ticket(draft.text, label, draft.family.group, split)
        for draft, label, split in zip(ordered, labels, splits, strict=True)
    )


def write(folder: Path, seed: int = 7) -> dict[str, Path]:
    """Write train.csv, validation.csv and test.csv; return their paths by split."""
    tickets = generate(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {split: folder / f"{split}.csv" for split in SPLITS}
    for split, path in paths.items():
        _write_csv(path, (ticket for ticket in tickets if ticket.split == split))
    return paths


def _strata(told: Iterable[Draft]) -> Mapping[str, Mapping[str, int]]:
    """Count the rows of each group, by class and kind."""
    strata: dict[str, Counter[str]] = defaultdict(Counter)
    for draft in told:
        strata[f"{draft.family.label}/{draft.family.kind}"][draft.family.group] += 1
    return strata


def _write_csv(path: Path, tickets: Iterable[Ticket]) -> None:
    """Write the rows beside the target, then rename: a reader never sees half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows((ticket.text, ticket.label, ticket.group) for ticket in tickets)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp makes files that only their owner may read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

"""The demonstration's data set: support tickets to route, written by this project."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compress.demo.annotators import annotate
from compress.demo.dice import Dice
from compress.demo.drafts import drafts
from compress.demo.lexicon import lexicon
from compress.demo.splits import ROWS, UNLABELED
from runtimes.files import write_text

COLUMNS = ("text", "label", "group")


@dataclass(frozen=True, slots=True)
class Ticket:
    """One labeled row; `group` is its scenario and wording, behind the class that was meant."""

    text: str
    label: str
    group: str
    split: str

    @property
    def family(self) -> str:
        """Return the scenario without its wording."""
        return self.group.rpartition("/")[0]


def generate(seed: int = 7, rows: Mapping[str, int] = ROWS) -> tuple[Ticket, ...]:
    """Return the tickets of every table in a shuffled order, the same for the same seed and rows.

    Raises ValueError when the grammar cannot tell that many different tickets.
    """
    ordered = Dice(seed, "order").shuffled(drafts(lexicon(), seed, rows))
    families = [draft.family for draft in ordered]
    splits = [draft.split for draft in ordered]
    labels = annotate(families, splits, Dice(seed, "annotators"))
    return tuple(
        Ticket(draft.text, label, draft.wording.group, draft.split)
        for draft, label in zip(ordered, labels, strict=True)
    )


def write(folder: Path, seed: int = 7, rows: Mapping[str, int] = ROWS) -> dict[str, Path]:
    """Write a table of each split, and unlabeled.csv without labels; return their paths."""
    tickets = generate(seed, rows)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {split: folder / f"{split}.csv" for split in ROWS}
    for split, path in paths.items():
        columns = COLUMNS[:1] if split == UNLABELED else COLUMNS
        _write_csv(path, columns, (ticket for ticket in tickets if ticket.split == split))
    return paths


def _write_csv(path: Path, columns: Sequence[str], tickets: Iterable[Ticket]) -> None:
    """Write the rows whole or not at all."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([getattr(ticket, name) for name in columns] for ticket in tickets)
    write_text(path, lines.getvalue())

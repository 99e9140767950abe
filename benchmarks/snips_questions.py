"""Questions about the Snips slots: which artist, which city, answered by the request itself.

python -m benchmarks.snips_questions --snips FOLDER --out FOLDER [--rows 2000]

Writes train, validation and test as jsonl, with the columns question, context and answers (text and
answer_start, as SQuAD's). Each type of slot that a request has is a question about it; where it has
several slots of a type, each is a right answer. The splits are those of the source, so that all
questions about a request are in one of them; of train, the first so many requests are used. A
request that an earlier split has too, in any letters' case, is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.command import run
from compress.data.reading import read_records
from compress.data.rows import Record
from compress.tasks.tags import tagged

SPLITS = ("test", "validation", "train")
"""The rows of test are never left out: it stays the source's."""


@click.command(context_settings={"show_default": True})
@click.option("--snips", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--rows", default=2000, type=click.IntRange(1), help="Requests of train.")
def main(snips: Path, out: Path, rows: int) -> None:
    """Write the data set."""
    run(lambda: write_rows(snips, out, rows), _table, None)


def write_rows(snips: Path, out: Path, rows: int) -> dict[str, int]:
    """Write the splits; return each one's number of questions. Raises DataError for bad files."""
    counts, seen = {}, set[str]()
    for split in SPLITS:
        records = [record for _, record in read_records(f"{split}.jsonl", snips)]
        used = records[: rows if split == "train" else None]
        fresh = [one for one in used if " ".join(one["tokens"]).casefold() not in seen]
        seen |= {" ".join(one["tokens"]).casefold() for one in used}
        questions = [question for one in fresh for question in _questions(one)]
        out.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(one, ensure_ascii=False) for one in questions)
        (out / f"{split}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        counts[split] = len(questions)
    return counts


def _table(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{split:<11}{count} questions" for split, count in counts.items())


def _questions(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a question for each type of slot that a request has."""
    words: Sequence[str] = record["tokens"]
    starts = [sum(len(word) + 1 for word in words[:place]) for place in range(len(words))]
    answers: dict[str, dict[str, list[Any]]] = {}
    for entity in tagged(Record(list(words), list(record["tags"]))).entities:
        right = answers.setdefault(entity.type, {"text": [], "answer_start": []})
        right["text"].append(" ".join(words[entity.first : entity.last + 1]))
        right["answer_start"].append(starts[entity.first])
    context = " ".join(words)
    return [
        {"question": f"Which {_said(name)}?", "context": context, "answers": right}
        for name, right in answers.items()
    ]


def _said(name: str) -> str:
    """Return a type's name in words: "timeRange" is "time range"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()


if __name__ == "__main__":
    main()

"""Cases with known best answers for `edgepress advise`, made of Banking77, Snips and rules.

    python -m benchmarks.advise_cases --teacher FOLDER --banking FOLDER --snips FOLDER --work DIR

Each case is its own folder of rows, with a teacher: Banking77's, the same encoder fine-tuned on a
few rows, or a tiny one. Rows to judge on are never rows to learn from. The command is run as a user
runs it; a case is right when the answer is the expected one and took under five minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.labeled_rows import write_labeled

Row = tuple[str, str]
LIMIT_S = 300.0
_SEED = 7
_EASY = ("PlayMusic", "GetWeather", "BookRestaurant")
_PAPERS = ("invoice", "receipt", "contract", "reminder", "quote", "statement")
_GOODS = ("parcel", "pallet", "letter", "box", "crate", "sample")
_FILLERS = ("big", "late", "new", "lost", "paid", "old", "first", "small", "torn", "red")


@dataclass(frozen=True, slots=True)
class Case:
    """Hold a case's rows, its teacher and the answer that is known to be the best.

    `epochs` fine-tunes the encoder on the training rows first. `turned` are the lines of the
    training file whose label is wrong.
    """

    train: Sequence[Row]
    test: Sequence[Row]
    answer: str
    layers: tuple[int, ...] = ()
    epochs: int = 0
    turned: frozenset[int] = frozenset()
    limits: str = ""
    tiny: bool = False


def banking(folder: Path, name: str) -> list[Row]:
    """Return Banking77's rows."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return [(row["text"], row["category"]) for row in csv.DictReader(stream)]


def whole(given: argparse.Namespace) -> Case:
    """Banking77 itself: runs of one layer or of none reach 98 %, a linear model does not."""
    train, test = banking(given.banking, "train"), banking(given.banking, "test")
    return Case(train, test, answer="distil", layers=(0, 1))


def easy(given: argparse.Namespace) -> Case:
    """Three intents that share hardly a word: a linear model is enough."""
    lines = (given.snips / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [(" ".join(row["tokens"]), row["intent"]) for row in map(json.loads, lines)]
    some = per_class([row for row in rows if row[1] in _EASY], 600)
    random.Random(_SEED).shuffle(some)
    return Case(some[:900], some[900:], answer="linear", epochs=1)


def few(given: argparse.Namespace) -> Case:
    """Five rows for each of 77 classes: more rows first."""
    train = per_class(banking(given.banking, "train"), 5)
    return Case(train, banking(given.banking, "test"), answer="more-data")


def noisy(given: argparse.Namespace) -> Case:
    """Banking77 with a fifth of its labels turned into any other: cleaner rows first."""
    source, rows = random.Random(_SEED), banking(given.banking, "train")
    labels = sorted({label for _, label in rows})
    turned = frozenset(source.sample(range(len(rows)), len(rows) // 5))
    wrong = [
        (
            text,
            source.choice([other for other in labels if other != label]) if at in turned else label,
        )
        for at, (text, label) in enumerate(rows)
    ]
    return Case(wrong, banking(given.banking, "test"), answer="cleaner-data", turned=turned)


def order(given: argparse.Namespace) -> Case:
    """Papers before goods, or goods before papers: no bag of words or pairs of them tells."""
    source = random.Random(_SEED)
    rows: dict[str, str] = {}
    while len(rows) < 1_600:
        first, second = source.choice(_PAPERS), source.choice(_GOODS)
        papers = source.random() < 0.5
        one, two = (first, second) if papers else (second, first)
        a, b, c, d = source.choices(_FILLERS, k=4)
        text = f"the {a} {one} {b} came before the {c} {two} {d}"
        rows[text] = "papers first" if papers else "goods first"
    made = list(rows.items())
    return Case(made[:1_000], made[1_000:], answer="distil", layers=(2, 3), epochs=given.epochs)


def tiny(given: argparse.Namespace) -> Case:  # noqa: ARG001 - every case takes the folders
    """A tiny teacher, and a device whose limits it meets: leave it."""
    from tests.compress.tiny_models import make_data

    data = make_data()
    train, test = (
        [(text, data.labels[label]) for text, label in zip(rows.inputs, rows.targets, strict=True)]
        for rows in (data.train, data.test)
    )
    limits = "latency_p90_ms = {max = 40}\nartifact_mb = {max = 30}"
    return Case(train, test, answer="leave", limits=limits, tiny=True)


CASES: dict[str, Callable[[argparse.Namespace], Case]] = {
    case.__name__: case for case in (whole, easy, few, noisy, order, tiny)
}


def per_class(rows: Sequence[Row], count: int) -> list[Row]:
    """Return the first rows of each class after a shuffle."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in random.Random(_SEED).sample(rows, len(rows)):
        found[row[1]].append(row)
    return [row for label in sorted(found) for row in found[label][:count]]


def teacher_of(case: Case, folder: Path, given: argparse.Namespace) -> Path:
    """Return the case's teacher; it is made once."""
    made = folder / "teacher"
    if case.tiny and not made.exists():
        from tests.compress.tiny_models import make_data, make_trained_model

        make_trained_model(made, data=make_data(), layers=1)
        (made / "artifact.json").unlink()
    if case.epochs and not made.exists():
        rows = ["--train", str(folder / "train.csv"), "--epochs", str(case.epochs)]
        edgepress("finetune", str(given.teacher), "--out", str(made), *rows)
    return made if case.tiny or case.epochs else given.teacher


def edgepress(*arguments: str) -> str:
    """Run a command of edgepress and return what it prints."""
    code = "from compress.cli.main import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def outcome(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Make a case, ask for advice and compare it with the known answer."""
    case, folder = CASES[name](given), given.work / name
    folder.mkdir(parents=True, exist_ok=True)
    write_labeled(folder / "train.csv", case.train)
    write_labeled(folder / "test.csv", case.test)
    profile = "local"
    if case.limits:
        path = folder / "profile.toml"
        path.write_text(f'schema = 1\nname = "small"\ndescription = ""\n[budgets]\n{case.limits}\n')
        profile = str(path)
    teacher = teacher_of(case, folder, given)
    said = edgepress(
        *("advise", str(teacher), "--data", str(folder / "train.csv"), "--profile", profile),
        *("--out", str(folder / "recipe.toml"), "--force", "--json"),
    )
    advice = json.loads(said)
    edgepress("run", str(folder / "recipe.toml"), "--out", str(folder / "run"), "--dry-run")
    right = advice["answer"] == case.answer and (not case.layers or advice["layers"] in case.layers)
    return {
        "case": name,
        "expected": case.answer,
        "answer": advice["words"],
        "right": right and advice["seconds"] <= LIMIT_S,
        "seconds": advice["seconds"],
        **found_of(case, advice),
        "advice": advice,
    }


def found_of(case: Case, advice: dict[str, Any]) -> dict[str, float]:
    """Return the precision and the recall of the listed lines, where labels were turned.

    Line 1 is the header; a row whose text breaks lines has the number of its last one.
    """
    if not case.turned:
        return {}
    listed = {line for one in advice["suspects"] for line in one["lines"]}
    wrong = lines_of(case.train, case.turned)
    right = len(listed & wrong)
    return {"precision": right / max(len(listed), 1), "recall": right / len(wrong)}


def lines_of(rows: Sequence[Row], places: frozenset[int]) -> set[int]:
    """Return the last line of each of these rows in the file that `write` writes."""
    lines, line = set(), 1
    for place, (text, label) in enumerate(rows):
        line += 1 + text.count("\n") + label.count("\n")
        if place in places:
            lines.add(line)
    return lines


def main() -> int:
    """Run the cases and print a table; 1 where one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("teacher", "banking", "snips", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--case", action="append", choices=list(CASES))
    parser.add_argument("--epochs", type=int, default=4, help="of the teacher that learns order")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    done = []
    for name in given.case or CASES:
        row = outcome(name, given)
        done.append(row)
        found = f", {row['precision']:.0%} / {row['recall']:.0%}" if "recall" in row else ""
        sign = "right" if row["right"] else "WRONG"
        print(f"{name:8}{sign}  {row['answer']}, {row['seconds']:.0f} s{found}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(done, indent=2) + "\n", encoding="utf-8")
    return 0 if all(row["right"] for row in done) else 1


if __name__ == "__main__":
    sys.exit(main())

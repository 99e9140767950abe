"""The cases for advice: what they turn is what they count, and no row is learned and judged."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import pytest

from benchmarks.advise_cases import CASES, Case, found_of, lines_of
from benchmarks.labeled_rows import write_labeled


@pytest.fixture
def given(tmp_path: Path) -> argparse.Namespace:
    """Return folders with a small stand-in for each data set."""
    for name, start in (("train", 0), ("test", 1000)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "category"])
            writer.writerows((f"text {start + n}\n!", f"class {n % 9}") for n in range(180))
    intents = ("PlayMusic", "GetWeather", "BookRestaurant", "Other")
    rows = [{"tokens": ["text", str(n)], "intent": intents[n % 4]} for n in range(4000)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return argparse.Namespace(banking=tmp_path, snips=tmp_path, epochs=1)


@pytest.mark.parametrize("name", CASES)
def test_no_row_is_learned_from_and_judged_on(name: str, given: argparse.Namespace) -> None:
    case = CASES[name](given)
    assert case.train
    assert not set(case.train) & set(case.test)
    assert {label for _, label in case.test} <= {label for _, label in case.train}


def test_order_alone_tells_the_classes_apart(given: argparse.Namespace) -> None:
    case = CASES["order"](given)
    for text, label in case.train:
        words = text.split()
        papers = words[2] in ("invoice", "receipt", "contract", "reminder", "quote", "statement")
        assert (label == "papers first") == papers


def test_turned_lines_are_those_of_the_file(given: argparse.Namespace, tmp_path: Path) -> None:
    from compress.advising.rows import line_numbers

    case = CASES["noisy"](given)
    write_labeled(tmp_path / "noisy.csv", case.train)
    found = line_numbers(tmp_path / "noisy.csv", "text", "label")
    lines = {found[case.train[place][0]][0][0] for place in case.turned}
    assert lines == lines_of(case.train, case.turned)
    assert len(case.turned) == 36


def test_precision_and_recall_by_hand() -> None:
    rows = [("a", "x"), ("b", "x"), ("c", "y"), ("d", "y")]
    case = Case(rows, rows, "cleaner-data", turned=frozenset({0, 1}))
    advice = {"suspects": [{"lines": [2]}, {"lines": [5]}]}
    assert found_of(case, advice) == {"precision": 0.5, "recall": 0.5}

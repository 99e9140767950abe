"""Pairs and groups of Banking77's texts, and the latency of a query with its candidates."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.banking77_pairs import SPLITS, write_rows
from benchmarks.rerank import measure
from compress.data.rows import normal
from runtimes.errors import DataError
from tests.runtimes.test_text_ranking import TestTextRanking as Ranking

_INTENTS = ("card", "fee", "app", "cash")


def _write(path: Path, count: int, name: str) -> None:
    rows = [(f"{name} {_INTENTS[n % 4]} text {n // 2 * 2}", _INTENTS[n % 4]) for n in range(count)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "category"), *rows])


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    _write(tmp_path / "train.csv", 400, "my")
    _write(tmp_path / "test.csv", 120, "MY ")  # some texts are in both but for case and space
    queries = {"train": 100, "validation": 20, "test": 30}
    counts = write_rows(tmp_path, tmp_path / "out", queries, 6, 7)
    assert counts["ranking/test"] == 6 * 30
    return tmp_path / "out"


def test_no_text_is_in_two_splits_and_labels_are_right(written: Path) -> None:
    seen: dict[str, set[str]] = {}
    for split in SPLITS:
        rows = _read(written / "pairs" / f"{split}.csv")
        assert {row["label"] for row in rows} == {"same", "different"}
        for row in rows:
            intents = {row[side].split()[1] for side in ("text", "text_pair")}
            assert (len(intents) == 1) == (row["label"] == "same")
        both = [*rows, *_read(written / "ranking" / f"{split}.csv")]
        seen[split] = {normal(row[side]) for row in both for side in ("text", "text_pair")}
    assert not seen["train"] & seen["test"]
    assert not seen["train"] & seen["validation"]
    assert not seen["validation"] & seen["test"]


def test_a_group_has_candidates_of_both_kinds_once(written: Path) -> None:
    groups = defaultdict(list)
    for row in _read(written / "ranking" / "test.csv"):
        groups[row["id"]].append(row)
    assert len(groups) == 30
    for rows in groups.values():
        assert len({row["text"] for row in rows}) == 1
        assert len({row["text_pair"] for row in rows}) == len(rows) == 6
        assert 1 <= sum(row["label"] == "1" for row in rows) <= 3
        for row in rows:
            same = row["text"].split()[1] == row["text_pair"].split()[1]
            assert same == (row["label"] == "1")


def test_texts_of_one_intent_make_no_pairs(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text("text,category\na,x\nb,x\n", encoding="utf-8")
    with pytest.raises(DataError, match="one intent"):
        write_rows(tmp_path, tmp_path / "out", dict.fromkeys(SPLITS, 2), 4, 7)


def test_a_query_is_timed_with_its_candidates(written: Path, tmp_path: Path) -> None:
    model = Ranking.make(tmp_path / "model").path
    found = measure((model, model), written / "ranking" / "test.csv", 12, 3, 1)
    assert found["candidates"] == 12
    for row in found["models"]:
        assert 0 < row["p50_ms"] <= row["p90_ms"]

"""Rows of many intents, made of two sets."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks.intent_rows import write_rows
from runtimes.errors import DataError


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    banking, snips = tmp_path / "banking", tmp_path / "snips"
    banking.mkdir()
    snips.mkdir()
    for name, count in {"train": 8, "test": 5}.items():
        pairs = [(f"{name} {label} {n}", label) for label in ("card", "loan") for n in range(count)]
        with (banking / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "category"), *pairs])
    slots = {"artist": ["B-artist", "O"], "year": ["O", "B-year"], "rare": ["B-rare", "B-rare"]}
    rows = [
        {"tokens": [slot, str(n)], "tags": tags, "intent": "Play"}
        for slot, tags in slots.items()
        for n in range(2 if slot == "rare" else 20)
    ]
    (snips / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    return banking, snips


def _read(file: Path) -> list[tuple[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return [(row["text"], row["label"]) for row in csv.DictReader(lines)]


def test_intents_are_told_apart_by_their_slots(folders: tuple[Path, Path], tmp_path: Path) -> None:
    counts = write_rows(*folders, tmp_path / "out", classes=4, rows=6)
    assert counts == {"train": {"rows": 24, "classes": 4}, "test": {"rows": 8, "classes": 4}}
    train, test = (_read(tmp_path / "out" / f"{name}.csv") for name in ("train", "test"))
    assert {label for _, label in train} == {"card", "loan", "Play artist", "Play year"}
    assert all(text.startswith("test") for text, label in test if label in ("card", "loan"))
    texts = [text for text, _ in train + test]
    assert len(texts) == len(set(texts))


def test_too_few_intents_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 intents with slots"):
        write_rows(*folders, tmp_path / "out", classes=5)
    assert not (tmp_path / "out").exists()

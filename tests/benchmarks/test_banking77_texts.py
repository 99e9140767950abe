"""Texts without labels, made of labeled ones, with no text on both sides."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from benchmarks.banking77_texts import write_rows


def test_texts_lose_their_labels_and_are_on_one_side(tmp_path: Path) -> None:
    rows = [(f"text {number}", "ab"[number % 2]) for number in range(40)]
    splits = {
        "train": [*rows, ("Text  3", "b"), ("asked", "a")],
        "test": [("Asked", "a"), ("x", "b")],
    }
    for split, lines in splits.items():
        with (tmp_path / f"{split}.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("text", "category"), *lines])
    counts = write_rows(tmp_path, tmp_path / "out", 0.25)
    assert counts == {"texts": 30, "validation": 10, "test": 2}
    written = {name: _read(tmp_path / "out" / f"{name}.jsonl") for name in counts}
    assert {key for row in written["texts"] for key in row} == {"text"}
    assert written["test"] == [{"text": "Asked", "label": "a"}, {"text": "x", "label": "b"}]
    labels = [row["label"] for row in written["validation"]]
    assert sorted(labels) == ["a"] * 5 + ["b"] * 5
    texts = [row["text"] for part in ("texts", "validation") for row in written[part]]
    assert sorted(texts) == sorted(text for text, _ in rows)


def _read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

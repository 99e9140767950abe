"""Rows with several labels and with a number, made of rows with slots."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.snips_rows import SPLITS, write_rows


def test_slots_become_labels_and_numbers(tmp_path: Path) -> None:
    tags = ["O", "B-artist", "I-artist", "B-year", "B-artist"]
    rows = [{"tokens": ["play", "Ann", "Bo", "1999", "Cy"], "tags": tags}]
    rows += [{"tokens": ["stop"], "tags": ["O"]}] * 3
    for split in SPLITS:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    counts = write_rows(tmp_path, tmp_path / "out", 2)
    assert counts == {"train": 2, "validation": 4, "test": 4}

    def written(kind: str, split: str) -> list[dict[str, object]]:
        lines = (tmp_path / "out" / kind / f"{split}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in lines.splitlines()]

    text = "play Ann Bo 1999 Cy"
    assert written("labels", "train") == [
        {"text": text, "label": ["artist", "year"]},
        {"text": "stop", "label": []},
    ]
    assert written("numbers", "test")[0] == {"text": text, "label": 3}
    assert len(written("numbers", "test")) == 4

"""Questions with answers in their context, made of rows with slots."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.snips_questions import SPLITS, write_rows

_SLOTS: dict[str, list[str]] = {
    "tokens": ["play", "Ann", "Bo", "in", "Zürich", "by", "Cy"],
    "tags": ["O", "B-artist", "I-artist", "O", "B-timeRange", "O", "B-artist"],
}
_ELSE: dict[str, list[str]] = {"tokens": ["stop", "Dan"], "tags": ["O", "B-artist"]}


def test_slots_become_questions_with_answers_at_their_places(tmp_path: Path) -> None:
    for split in SPLITS:
        other = {"tokens": ["x"], "tags": ["B-a"]}
        rows = [_SLOTS, _ELSE] if split == "test" else [_ELSE, other]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    counts = write_rows(tmp_path, tmp_path / "out", 1)
    assert counts == {"test": 3, "validation": 1, "train": 0}
    written = (tmp_path / "out" / "test.jsonl").read_text(encoding="utf-8")
    artist, time, _ = map(json.loads, written.splitlines())
    context = "play Ann Bo in Zürich by Cy"
    assert artist == {
        "question": "Which artist?",
        "context": context,
        "answers": {"text": ["Ann Bo", "Cy"], "answer_start": [5, 25]},
    }
    assert time["question"] == "Which time range?"
    assert context[time["answers"]["answer_start"][0] :].startswith("Zürich")

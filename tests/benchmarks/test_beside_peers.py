"""Students beside peers' models of the same teacher, for a task of other scores than accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import beside_peers
from benchmarks.peers.make import PeerModel
from tests.runtimes.tiny import TEXTS
from tests.runtimes.tiny_tagger import LABELS, tiny_tagger


def test_taggers_are_scored_by_their_entities_and_timed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("reference", "student", "peer"):
        tiny_tagger(tmp_path / name)
    made = [
        PeerModel("theirs", "1.0", "onnx", tmp_path / "peer"),
        PeerModel("other", error="its script ended with 1"),
    ]
    monkeypatch.setattr(beside_peers, "make_peers", lambda *_, **__: made)
    rows = [
        {"tokens": words, "tags": [LABELS[number % len(LABELS)] for number, _ in enumerate(words)]}
        for words in (text.split() for text in TEXTS)
    ]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    words = [str(tmp_path / "student"), "--reference", str(tmp_path / "reference")]
    words += ["--teacher", str(tmp_path), "--train", str(file), "--test", str(file)]
    words += ["--task", "token-classification", "--text", "tokens", "--label", "tags"]
    words += ["--tier", "quick", "--json", str(tmp_path / "out.json")]
    done = CliRunner().invoke(beside_peers.main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "other: its script ended with 1" in done.output
    teacher, student, peer = json.loads((tmp_path / "out.json").read_text())["models"]
    assert peer["name"] == "theirs"
    assert 0 < teacher["accuracy"] == student["accuracy"] == peer["accuracy"] < 1
    assert student["retention"]["value"] == 1
    assert student["speedup"] > 0
    assert "| score |" in done.output

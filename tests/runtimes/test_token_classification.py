"""Token classification on a device, and what is its alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from compress.run.bundle import write_bundle
from runtimes.artifact import Artifact
from runtimes.errors import DataError
from runtimes.predict import Predictor
from runtimes.tasks.entities import Entity, entities, kind_of
from runtimes.words import words_of
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny_tagger import LABELS, tiny_tagger

LONG = " ".join(["my card is lost", "the app crashed"] * 12)


class TestTokenClassification(DeviceTaskContract):
    """Hold token classification to the contract."""

    name: ClassVar[str] = "token-classification"
    rows: ClassVar[Sequence[Any]] = (
        "my card is lost",
        "refund me, now!",
        ["thank", "you"],
        "ça va ? 你好",
        "a",
    )

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make an ONNX model that labels every token."""
        return tiny_tagger(folder)

    def test_each_word_is_answered_at_its_first_token(self, predictor: Predictor) -> None:
        answer = predictor.answer("refund xyz me")  # xyz is x ##y ##z
        assert [len(word) for word in answer] == [len(LABELS)] * 3
        alone = [predictor.answer(word) for word in ("refund", "x", "me")]
        np.testing.assert_allclose(answer, np.concatenate(alone), atol=1e-5)

    def test_a_long_text_runs_in_windows_and_answers_every_word(self, predictor: Predictor) -> None:
        feeds = predictor.feeds(LONG)
        assert len(feeds["input_ids"]) > 3
        answer = predictor.answer(LONG)
        alone = [predictor.answer(word) for word in LONG.split()]
        np.testing.assert_allclose(answer, np.concatenate(alone), atol=1e-5)

    def test_spans_have_the_characters_of_the_text(self, predictor: Predictor) -> None:
        row = "the card of Ann-Marie O'Neil, now"
        words = words_of(row)[1]
        tags = ["O", "B-thing", "O", "B-who", "I-who", "O", "O"]
        answer = (5 * np.eye(len(LABELS))[[LABELS.index(tag) for tag in tags]]).tolist()
        assert len(words) == len(tags)
        shown = predictor.task.shown(answer, row, 0)
        assert shown["text"] == row
        score = 1 / (1 + 4 * np.exp(-5))
        assert shown["spans"] == [
            {"type": "thing", "text": "card", "start": 4, "end": 8, "score": round(score, 6)},
            {
                "type": "who",
                "text": "Ann-Marie O'Neil",
                "start": 12,
                "end": 28,
                "score": pytest.approx(score, abs=1e-6),
            },
        ]
        line = predictor.task.line(shown)
        assert line == f"thing 4:8 {score:.4f} card\twho 12:28 {score:.4f} Ann-Marie O'Neil"
        none = np.eye(len(LABELS), dtype=np.float32)[[0] * len(words)].tolist()
        assert predictor.task.line(predictor.task.shown(none, row, 0)) == "-"

    def test_a_row_of_words_is_shown_with_them(self, predictor: Predictor) -> None:
        shown = predictor.task.shown(predictor.answer(["my", "card"]), ["my", "card"], 0)
        assert (shown["text"], shown["tokens"]) == ("my card", ["my", "card"])

    @pytest.mark.parametrize("row", [7, {"a": "b"}, ["a", 1], None])
    def test_what_is_no_row_is_refused(self, predictor: Predictor, row: Any) -> None:
        with pytest.raises(DataError, match="a row that is a"):
            predictor.feeds(row)

    def test_a_bundle_prints_spans(self, artifact: Artifact, tmp_path: Path) -> None:
        bundle = write_bundle(artifact, tmp_path / "bundle")
        rows = ["my card is lost", LONG]
        done = subprocess.run(
            [sys.executable, str(bundle / "predict.py"), "--json", *rows],
            capture_output=True,
            text=True,
            check=True,
        )
        shown = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one["text"] for one in shown] == rows
        for one in shown:
            for span in one["spans"]:
                assert one["text"][span["start"] : span["end"]] == span["text"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I didn't pay 1,000.50 $.", ["I", "didn't", "pay", "1,000.50", "$", "."]),
        ("a,b;c (d)", ["a", ",", "b", ";", "c", "(", "d", ")"]),
        ("mail j.doe@x.org!", ["mail", "j.doe@x.org", "!"]),
        ("我在 Bonn", ["我", "在", "Bonn"]),
        ("  \t ", []),
    ],
)
def test_texts_are_split_into_words(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in words_of(text)[1]] == words


def test_entities_of_bilou_and_of_plain_types() -> None:
    tags = ["B-a", "L-a", "U-b", "O", "x", "x", "y"]
    assert entities(map(kind_of, tags)) == [
        *(Entity("a", 0, 1), Entity("b", 2, 2), Entity("x", 4, 5), Entity("y", 6, 6))
    ]

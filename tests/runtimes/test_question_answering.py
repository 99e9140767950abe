"""Question answering on a device, and what is its alone."""

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
from runtimes.question_windows import pieces_of
from runtimes.request_body import RefusedError, asked, require_keys, shown
from runtimes.tasks.answer_spans import best_span
from tests.runtimes.contract_device_task import DeviceTaskContract
from tests.runtimes.tiny_tagger import tiny_tagger

LONG = " ".join(["my card is lost", "the app crashed"] * 12)


def _row(context: str, question: str = "what is lost?") -> dict[str, str]:
    return {"question": question, "context": context}


class TestQuestionAnswering(DeviceTaskContract):
    """Hold question answering to the contract."""

    name: ClassVar[str] = "question-answering"
    rows: ClassVar[Sequence[Any]] = (
        _row("my card is lost"),
        _row("refund me, now!", "when?"),
        _row("ça va ? 你好"),
        _row("a"),
    )

    @staticmethod
    def make(folder: Path) -> Artifact:
        """Make an ONNX model with two logits for each token."""
        return tiny_tagger(folder, ("start", "end"), "question-answering")

    def test_each_piece_is_answered_at_its_first_and_its_last_token(
        self, predictor: Predictor
    ) -> None:
        answer = predictor.answer(_row("refund xyz me"))  # xyz is x ##y ##z
        assert [len(piece) for piece in answer] == [2] * 3
        (x,) = predictor.answer(_row("x"))
        (refund,), (me,) = (predictor.answer(_row(word)) for word in ("refund", "me"))
        np.testing.assert_allclose([answer[0], answer[2]], [refund, me], atol=1e-5)
        assert answer[1][0] == pytest.approx(x[0], abs=1e-5)
        assert answer[1][1] != pytest.approx(x[1], abs=1e-5)

    def test_a_long_context_runs_in_windows_and_answers_every_piece(
        self, predictor: Predictor
    ) -> None:
        feeds = predictor.feeds(_row(LONG))
        assert len(feeds["input_ids"]) > 3
        answer = predictor.answer(_row(LONG))
        alone = [predictor.answer(_row(word)) for word in LONG.split()]
        np.testing.assert_allclose(answer, np.concatenate(alone), atol=1e-5)

    def test_the_answer_has_the_characters_of_the_context(self, predictor: Predictor) -> None:
        row = _row("Ann-Marie paid in Zürich, 漢字 too", "where?")
        pieces = pieces_of(row["context"])
        answer = [[0.0, 0.0] for _ in pieces]
        answer[5][0] = answer[5][1] = 20.0  # Ann - Marie paid in Zürich
        said = predictor.task.shown(answer, row, 0)
        assert said == {"answer": "Zürich", "start": 18, "end": 24, "score": 1.0, **row}
        assert predictor.task.line(said) == "Zürich\t18:24\t1.0000"
        answer[5][0] = answer[5][1] = 0.0
        answer[0][0], answer[2][1] = 20.0, 20.0
        assert predictor.task.shown(answer, row, 0)["answer"] == "Ann-Marie"
        flat = [[0.0, 0.0] for _ in pieces]
        score = predictor.task.shown(flat, row, 0)["score"]
        assert score == pytest.approx(len(pieces) ** -2, abs=1e-6)
        assert best_span([0.0] * 3, [0.0] * 3) == (0, 0)

    @pytest.mark.parametrize(
        "row", [7, "who?", {"question": "who?"}, {"question": "who?", "context": 1}, _row(" \n")]
    )
    def test_what_is_no_row_is_refused(self, predictor: Predictor, row: Any) -> None:
        with pytest.raises(DataError, match=r"a row that is a|without a word"):
            predictor.feeds(row)

    def test_a_request_is_a_question_with_its_context(self, predictor: Predictor) -> None:
        row = _row("my card is lost")
        answered: list[Any] = [row, {"texts": [row]}, {**row, "top": 3}]
        for content in answered:
            ((given,), _) = asked(content)
            assert given == row
            require_keys(predictor.task, [given])
        assert shown(predictor, row, 0).keys() == {"answer", "start", "end", "score"}
        with pytest.raises(RefusedError, match="question and context"):
            require_keys(predictor.task, asked({"text": "who?"})[0])
        refused: list[Any] = [{"texts": [row], **row}, {"top": 3}]
        for content in refused:
            with pytest.raises(RefusedError, match="either"):
                asked(content)

    def test_a_bundle_prints_answers(self, artifact: Artifact, tmp_path: Path) -> None:
        bundle = write_bundle(artifact, tmp_path / "bundle")
        rows = [_row("my card is lost"), _row(LONG)]
        done = subprocess.run(
            [sys.executable, str(bundle / "predict.py"), "--json", *map(json.dumps, rows)],
            capture_output=True,
            text=True,
            check=True,
        )
        said = [json.loads(line) for line in done.stdout.splitlines()]
        for one, row in zip(said, rows, strict=True):
            assert row.items() <= one.items()
            assert one["answer"] == one["context"][one["start"] : one["end"]]

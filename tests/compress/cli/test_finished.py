"""What a finished run says to do next."""

from __future__ import annotations

import json
from pathlib import Path

from compress.cli.finished import example_row
from tests.runtimes.tiny import tiny_onnx
from tests.runtimes.tiny_tagger import tiny_tagger


def test_the_row_to_try_is_one_that_the_model_takes(tmp_path: Path) -> None:
    assert example_row(tiny_onnx(tmp_path / "text").path) == "I was charged twice"
    questions = tiny_tagger(tmp_path / "questions", ("start", "end"), "question-answering")
    assert json.loads(example_row(questions.path)).keys() == {"question", "context"}

"""Answers that are none are refused, wherever a model is run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles.job import Job
from runtimes import command
from runtimes.errors import AnswerError
from runtimes.measure import MeasurePlan, Variant, measure
from runtimes.soundness import Variety, different, finite, require_sound
from tests.runtimes.launching import launch
from tests.runtimes.tiny import TEXTS, tiny_onnx
from tests.runtimes.unsound import with_head

QUICK = MeasurePlan(processes=1, blocks=1, warmup_runs=2, warmup_s=0.0, cold_starts=1)


def array(*numbers: float) -> Any:
    return np.array(numbers, dtype=np.float32)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 2])
def test_an_answer_with_a_number_that_is_none_is_refused(wrong: float, place: int) -> None:
    answer = [0.1, 0.2, 0.3]
    assert finite(answer) is answer
    answer[place] = wrong
    with pytest.raises(AnswerError, match="numbers that are none"):
        finite(answer)
    with pytest.raises(AnswerError, match="numbers that are none"):
        finite([[0.1, 0.2, 0.3], answer])


@pytest.mark.parametrize("answer", [[3e38] * 9, [1e308, 1e308], [[1e308], [1e308]], [], [[1.0]]])
def test_finite_numbers_are_no_fault_whatever_their_sum(answer: list[float]) -> None:
    assert finite(answer) is answer


def test_a_constant_model_is_known_by_four_different_rows() -> None:
    same = [array(1.0, 2.0)] * 4
    require_sound(["a", "b", "c"], same[:3], "m")
    require_sound(["a", "b", "c", "a"], same, "m")
    with pytest.raises(
        AnswerError, match=r"^m: the model gives the same answer to every row: 1, 2"
    ):
        require_sound(["a", "b", "c", "d"], same, "m")
    require_sound(["a", "b", "c", "d"], [*same[:3], array(1.0, 2.1)], "m")


def test_answers_of_different_shapes_vary() -> None:
    seen = Variety()
    for row in range(9):
        seen.saw(row, [0.0] * (2 + row % 2))
    seen.check()


def test_the_first_different_rows_are_tried() -> None:
    assert different(["a", "a", {"x": 1}, {"x": 1}, "b", "c", "d"]) == ["a", {"x": 1}, "b", "c"]


@pytest.mark.parametrize(
    ("value", "columns", "says"),
    [
        (np.nan, 3, "numbers that are none: nan, nan, nan"),
        (np.inf, 3, "numbers that are none"),
        (1.0, 4, r"returned shape \(1, 4\)"),
    ],
)
def test_a_process_says_that_the_answers_are_none(
    tmp_path: Path, value: float, columns: int, says: str
) -> None:
    model = with_head(tmp_path / "model", value, columns)
    variant = Variant("model", model, "onnxruntime")
    samples = measure([variant], list(TEXTS), QUICK, launch=launch)["model"]
    assert samples.unsound
    with pytest.raises(AnswerError, match=says):
        samples.raise_fault()
    with pytest.raises(AnswerError, match=says):
        Job().answers(variant, list(TEXTS))


def test_predict_ends_in_1_after_the_same_answer_to_every_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_head(tmp_path / "constant", 0.0)
    assert command.main(tmp_path / "constant", [*TEXTS, "--json"]) == 1
    shown = capsys.readouterr()
    assert [json.loads(line)["text"] for line in shown.out.splitlines()] == list(TEXTS)
    assert "the same answer to every row" in shown.err
    assert command.main(tmp_path / "constant", list(TEXTS[:3])) == 0


def test_predict_prints_no_label_of_a_model_of_nan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_head(tmp_path / "nan", float("nan"))
    for more in ([], ["--json"], ["--json", "--top", "3"]):
        assert command.main(tmp_path / "nan", ["thank you", *more]) == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "expected:  finite numbers" in shown.err


def test_a_sound_model_answers(tmp_path: Path) -> None:
    model = tiny_onnx(tmp_path / "model")
    assert len(Job().answers(Variant("model", model, "onnxruntime"), list(TEXTS))) == len(TEXTS)

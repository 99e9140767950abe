"""The time from text to label, step by step, of a small model and of a linear one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.steps import FLOOR, STEPS, measured, table
from tests.runtimes.tiny import TEXTS, tiny_linear, tiny_onnx


@pytest.fixture
def texts(tmp_path: Path) -> str:
    path = tmp_path / "texts.csv"
    path.write_text("\n".join(["text", *TEXTS]) + "\n", encoding="utf-8")
    return str(path)


def test_a_graphs_steps_and_operators(tmp_path: Path, texts: str) -> None:
    model = tiny_onnx(tmp_path / "onnx").path
    result = measured(model, texts, "text", rows=4, passes=2, operator_seconds=0.1)
    assert result["texts"] == 4
    assert [*result["steps"], *result["floor"]] == [*STEPS, *FLOOR]
    assert all(one["p10_us"] > 0 for one in [*result["steps"].values(), *result["floor"].values()])
    whole = result["text to label"]["p90_us"]
    assert all(whole > one["p10_us"] for one in result["steps"].values())
    ops = [one["op"] for one in result["operators"]["nodes"]]
    assert "MatMul" in " ".join(ops)
    lines = table(result).splitlines()
    assert len(lines) == 2 + len(STEPS) + 1 + len(FLOOR) + 1 + len(ops)


def test_a_model_that_reads_the_text_has_no_operators(tmp_path: Path, texts: str) -> None:
    model = tiny_linear(tmp_path / "linear").path
    result = measured(model, texts, "text", rows=4, passes=2, operator_seconds=0.1)
    assert result["operators"] == {}
    assert result["runtime"].startswith("linear ")
    assert len(table(result).splitlines()) == 2 + len(STEPS) + 1 + len(FLOOR)

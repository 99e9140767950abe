"""What a folder's model answers, by the code that bundles hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import runtimes
from runtimes.onnx_runtime import OnnxRuntime
from runtimes.predict import open_predictor
from tests.runtimes.tiny import TEXTS, tiny_onnx, tiny_openvino

ROOT = Path(runtimes.__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_onnx(tmp_path_factory.mktemp("model")).path


def test_agrees_with_the_runtime_on_every_text(folder: Path) -> None:
    predictor = open_predictor(folder)
    opened = OnnxRuntime().open(folder / "model.onnx", 1)
    for text in TEXTS:
        expected = opened.run(predictor.feeds(text))["logits"][0]
        np.testing.assert_array_equal(predictor.answer(text), expected)


def test_encodes_one_row_without_padding_and_truncates(folder: Path) -> None:
    predictor = open_predictor(folder)
    short = predictor.feeds("my card")
    assert {name: tensor.shape for name, tensor in short.items()} == {
        "input_ids": (1, 4),
        "attention_mask": (1, 4),
    }
    assert all(np.asarray(tensor).dtype == np.int64 for tensor in short.values())
    assert predictor.feeds("card " * 500)["input_ids"].shape == (1, 32)


def test_openvino_gives_the_same_logits(folder: Path, tmp_path: Path) -> None:
    tiny_openvino(tmp_path)
    one, other, third = (
        open_predictor(folder),
        open_predictor(tmp_path),
        open_predictor(folder, runtime="openvino"),
    )
    for text in TEXTS:
        np.testing.assert_allclose(other.answer(text), one.answer(text), atol=1e-5)
        np.testing.assert_allclose(third.answer(text), one.answer(text), atol=1e-5)


def test_nothing_slow_is_imported_before_the_model() -> None:
    code = (
        "import sys; from runtimes import serve\n"
        "slow = {'difflib', 'dataclasses', 'importlib.metadata', 'csv', 'numpy', 'tempfile'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(ROOT)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

"""Attention with its three integer products as one operator: the same answers, fewer nodes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from compress.export.stage import Export
from compress.graph.onnx_graph import load_onnx
from compress.prune.stage import Prune
from compress.quantize import int8_dynamic
from compress.quantize.stage import Quantize
from compress.stage import execute
from runtimes.artifact import Artifact
from runtimes.onnx_runtime import import_onnxruntime
from tests.compress.exported import context, trained
from tests.compress.tiny_models import MODEL_TYPES

APART = {"mpnet", "deberta-v2", "modernbert"}
"""Positions are part of their scores, or of their queries and keys."""

TEXTS = [[2, 7, 9, 3, 0, 0], [2, 5, 3, 0, 0, 0], [2, 8, 6, 5, 4, 3]]
"""Ids of three texts, 0 for padding."""


def _quantized(folder: Path, source: Artifact, **settings: Any) -> onnx.ModelProto:
    onnx_model = execute(Export(format="onnx"), source, context(), folder / "onnx")
    stage = Quantize("int8-dynamic", max_drop=1.0, **settings)
    made = execute(stage, onnx_model, context(), folder / "quantized")
    return onnx.load(made.model_file)


def _answers(model: onnx.ModelProto) -> np.ndarray[Any, Any]:
    ids = np.array(TEXTS)
    feeds = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
    session = import_onnxruntime().InferenceSession(model.SerializeToString())
    wanted = {value.name for value in session.get_inputs()}
    feeds |= {"token_type_ids": np.zeros_like(ids)}
    answers: np.ndarray[Any, Any] = session.run(
        None, {name: row for name, row in feeds.items() if name in wanted}
    )[0]
    return answers


def _kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Leave the operators apart."""
    monkeypatch.setattr(int8_dynamic, "fuse_attention", lambda model: None)
    return monkeypatch


def _same_answers(folder: Path, source: Artifact, apart: pytest.MonkeyPatch) -> onnx.ModelProto:
    """Return the model with joined operators, whose answers are those of separate ones."""
    before = _quantized(folder / "apart", source)
    apart.undo()
    after = _quantized(folder / "fused", source)
    fused = _kinds(after)["QAttention"]
    assert _kinds(before)["MatMulInteger"] - _kinds(after)["MatMulInteger"] == 3 * fused
    assert len(after.graph.node) < len(before.graph.node) or not fused
    np.testing.assert_array_equal(_answers(after), _answers(before))
    return after


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_answers_of_padded_texts_are_the_same_to_the_last_bit(
    tmp_path: Path, apart: pytest.MonkeyPatch, model_type: str
) -> None:
    made = _same_answers(tmp_path, trained(model_type), apart)
    assert (_kinds(made)["QAttention"] > 0) == (model_type not in APART), _kinds(made)


def test_heads_may_be_narrower_together_than_the_tokens(
    tmp_path: Path, apart: pytest.MonkeyPatch
) -> None:
    cut = Prune(heads=0.5, recovery_epochs=0)
    source = execute(cut, trained(), context(), tmp_path / "cut")
    assert _kinds(_same_answers(tmp_path, source, apart))["QAttention"] > 0


def test_an_excluded_product_keeps_its_attention_apart(tmp_path: Path) -> None:
    whole = _quantized(tmp_path / "whole", trained())
    assert _kinds(whole)["QAttention"] == 1
    names = [
        node.name
        for node in load_onnx(tmp_path / "whole" / "onnx" / "model.onnx").graph.node
        if node.op_type == "MatMul"
    ]
    made = _quantized(tmp_path / "made", trained(), exclude=[names[0]])
    assert names[0] in {node.name for node in made.graph.node}
    assert not _kinds(made)["QAttention"]

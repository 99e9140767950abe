"""Lookups whose rows are summed and normalized, in 8 bits with one scale a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress.quantize.summed_rows import quantize_lookups
from runtimes.onnx_runtime import import_onnxruntime

ROWS, WIDTH = 300, 32


def model(table: NDArray[np.float32], *, axis: int = 1, keep: int = 0) -> onnx.ModelProto:
    """Return a graph that looks rows up, sums them and normalizes the sum."""
    constants = {
        "table": table,
        "axis": np.array([axis]),
        "weight": np.linspace(0.5, 2, table.shape[1], dtype=np.float32),
        "bias": np.linspace(-1, 1, table.shape[1], dtype=np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["found"], name="lookup"),
        helper.make_node("ReduceSum", ["found", "axis"], ["sum"], keepdims=keep),
        helper.make_node("LayerNormalization", ["sum", "weight", "bias"], ["out"], epsilon=1e-5),
    ]
    graph = helper.make_graph(
        nodes,
        "summed",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", "width"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def run(given_model: onnx.ModelProto, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the graph's output."""
    session = import_onnxruntime().InferenceSession(
        given_model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    out: NDArray[np.float32] = session.run(None, {"ids": ids})[0]
    return out


def kinds(given_model: onnx.ModelProto) -> list[str]:
    """Return the operators in order."""
    return [node.op_type for node in given_model.graph.node]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 40))
def test_the_normalized_sum_stays_what_it_is(seed: int, batch: int, tokens: int) -> None:
    draw = np.random.default_rng(seed)
    scale = np.exp(draw.normal(size=(ROWS, 1)))
    table = (scale * draw.normal(size=(ROWS, WIDTH))).astype(np.float32)
    table[0] = 0.0  # padding
    before, after = model(table), model(table)
    quantize_lookups(after, 8)
    onnx.checker.check_model(after)
    assert "GatherBlockQuantized" not in kinds(after)
    assert len(after.SerializeToString()) < 0.5 * len(before.SerializeToString())
    ids = draw.integers(1, ROWS, (batch, tokens))
    known, given_out = run(before, ids), run(after, ids)
    assert np.abs(known - given_out).mean() < 0.02
    padded = np.concatenate([ids, np.zeros((batch, 2), np.int64)], axis=1)
    assert np.allclose(given_out, run(after, padded), atol=1e-3)


@pytest.mark.parametrize("changed", [{"axis": 0}, {"keep": 1}])
def test_another_sum_is_expanded_by_blocks(changed: dict[str, Any]) -> None:
    table = np.random.default_rng(7).normal(size=(ROWS, WIDTH)).astype(np.float32)
    made = model(table, **changed)
    quantize_lookups(made, 8)
    assert kinds(made)[0] == "GatherBlockQuantized"


def test_four_bits_are_expanded_by_blocks() -> None:
    table = np.random.default_rng(7).normal(size=(ROWS, WIDTH)).astype(np.float32)
    made = model(table)
    quantize_lookups(made, 4)
    assert kinds(made)[0] == "GatherBlockQuantized"

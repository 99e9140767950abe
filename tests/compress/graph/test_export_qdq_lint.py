"""The lint finds each fault that prevents TensorRT from building an INT8 engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from compress.export.stage import Export
from compress.graph.onnx_graph import weights
from compress.graph.qdq_lint import lint_qdq
from compress.stage import execute
from tests.compress.exported import context, exported


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tensorrt") / "result"
    stage = Export("tensorrt", calibration_rows=32)
    return execute(stage, exported("onnx"), context(), target).model_file


def _first(model: ModelProto, kind: str) -> NodeProto:
    first: NodeProto = next(node for node in model.graph.node if node.op_type == kind)
    return first


def _constant(model: ModelProto, name: str) -> TensorProto:
    return weights(model.graph)[name]


def _shift_zero_point(model: ModelProto) -> None:
    zero = _constant(model, _first(model, "QuantizeLinear").input[2])
    zero.CopyFrom(numpy_helper.from_array(np.array(3, np.int8), zero.name))


def _unsigned_zero_point(model: ModelProto) -> None:
    zero = _constant(model, _first(model, "QuantizeLinear").input[2])
    zero.CopyFrom(numpy_helper.from_array(np.array(0, np.uint8), zero.name))


def _drop_zero_point(model: ModelProto) -> None:
    del _first(model, "QuantizeLinear").input[2]


def _compute_scale(model: ModelProto) -> None:
    node = _first(model, "QuantizeLinear")
    model.graph.node.insert(0, helper.make_node("Identity", [node.input[1]], ["computed"]))
    node.input[1] = "computed"


def _per_tensor_weight(model: ModelProto) -> None:
    names = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    node = next(
        node
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and names.get(node.input[0]) == 2
    )
    for place, value in ((1, np.array(0.01, np.float32)), (2, np.array(0, np.int8))):
        tensor = numpy_helper.from_array(value, f"one_{place}")
        model.graph.initializer.append(tensor)
        node.input[place] = tensor.name


def _quantize_softmax(model: ModelProto) -> None:
    _first(model, "QuantizeLinear").input[0] = _first(model, "Softmax").output[0]


def _foreign_operator(model: ModelProto) -> None:
    node = _first(model, "Gelu")
    node.domain, node.op_type = "com.microsoft", "FastGelu"


def _old_opset(model: ModelProto) -> None:
    model.opset_import[0].version = 11


def _fp32_layer(model: ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((4, 4), np.float32), "left"))
    _first(model, "MatMul").input[1] = "left"


FAULTS: dict[str, Callable[[ModelProto], None]] = {
    "expected 0": _shift_zero_point,
    "type uint8": _unsigned_zero_point,
    "no zero point": _drop_zero_point,
    "scale is not a constant": _compute_scale,
    "output channels": _per_tensor_weight,
    "quantizes the output of Softmax": _quantize_softmax,
    "only ONNX Runtime has": _foreign_operator,
    "opset 11": _old_opset,
    "weight is not quantized": _fp32_layer,
}


def test_a_clean_file_has_no_findings(clean: Path) -> None:
    assert lint_qdq(clean) == []


def test_an_fp32_file_has_no_pairs() -> None:
    assert "no Q/DQ pair" in lint_qdq(exported("onnx").model_file)


@pytest.mark.parametrize("finding", FAULTS)
def test_planted_faults_are_found(clean: Path, tmp_path: Path, finding: str) -> None:
    model = onnx.load_model(str(clean))
    FAULTS[finding](model)
    path = tmp_path / "model.onnx"
    onnx.save_model(model, str(path))
    assert finding in "; ".join(lint_qdq(path))

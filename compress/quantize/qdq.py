"""Write Q/DQ pairs with ranges from real rows around the dense layers of an ONNX graph."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from compress.graph.onnx_graph import dense_nodes, load_onnx, save_onnx
from compress.models.feeds import Feeds

if TYPE_CHECKING:
    from onnx import ModelProto


def quantize_qdq(
    source: Path,
    feeds: Sequence[Feeds],
    path: Path,
    *,
    symmetric: bool,
    reduce_range: bool,
    exclude: Sequence[str] = (),
) -> ModelProto:
    """Write and return a model whose dense layers have static INT8 inputs and weights.

    Min–max ranges; per-channel symmetric weights. Attention's own products, softmax and the mask
    stay fp32: a range that includes the mask maps all real scores to one step. `symmetric` makes
    activations S8 with zero point 0, as TensorRT takes them; else they are U8. Nodes named in
    `exclude` stay fp32.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    model = load_onnx(source)
    names = [node.name for node in dense_nodes(model.graph) if node.name not in exclude]
    add_pre_process_metadata(model)  # or the quantizer advises a step that would undo the export
    with quiet_quantizer():
        quantize_static(
            model,
            str(path),
            CalibrationRows(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gemm"],
            nodes_to_quantize=names,
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "ActivationSymmetric": symmetric,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"],
            },
        )
    result = load_onnx(path)
    save_onnx(result, path)
    return result


class CalibrationRows:
    """Pass calibration rows to the quantizer, one at a time."""

    def __init__(self, feeds: Sequence[Feeds]) -> None:
        self._rows = iter(feeds)

    def get_next(self) -> Feeds | None:
        """Return the next row, or None after the last: the quantizer's protocol."""
        return next(self._rows, None)


@contextmanager
def quiet_quantizer() -> Iterator[None]:
    """Hide the quantizer's remarks on the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)

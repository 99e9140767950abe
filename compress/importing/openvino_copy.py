"""Copy another tool's OpenVINO IR, and read its properties from the graph."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from compress.importing.copied import POSITIONS, Copied, Weights, precision_of
from runtimes.openvino_runtime import import_openvino, read_openvino

MODEL = "model.xml"
_DTYPES = {
    "fp32": ("f32", "f64"),
    "fp16": ("f16", "bf16"),
    "int8": ("i8", "u8"),
    "int4": ("i4", "u4"),
}
_THROUGH = ("Convert", "Subtract", "Multiply", "Reshape", "Transpose", "FakeQuantize")
"""Operators between stored weights and the product that reads them."""


def copy_openvino(source: Path, folder: Path) -> Copied:
    """Write model.xml and model.bin into a folder, byte for byte if the inputs take int64.

    Raises ArtifactError on a damaged file.
    """
    model = read_openvino(source)
    weights = list(_weights(model))
    positions = _positions(model)
    narrow = tuple(
        port.any_name for port in model.inputs if port.element_type.get_type_name() == "i32"
    )
    if narrow:
        import_openvino().save_model(_widened(model, narrow), folder / MODEL, False)
    else:
        shutil.copyfile(source, folder / MODEL)
        shutil.copyfile(source.with_suffix(".bin"), (folder / MODEL).with_suffix(".bin"))
    return Copied(
        precision=precision_of(weights),
        parameters=sum(row.elements for row in weights),
        positions=positions,
        producer="openvino",
        widened=narrow,
    )


def _widened(model: Any, narrow: tuple[str, ...]) -> Any:
    """Make inputs take int64, like all tokenizer ids here."""
    openvino = import_openvino()
    from openvino.preprocess import PrePostProcessor

    wider = PrePostProcessor(model)
    for name in narrow:
        wider.input(name).tensor().set_element_type(openvino.Type.i64)
    return wider.build()


def _weights(model: Any) -> Iterator[Weights]:
    products = {constant.get_friendly_name() for constant in _of_products(model)}
    for op in model.get_ordered_ops():
        if op.get_type_name() == "Constant":
            port = op.output(0)
            kind = port.element_type.get_type_name()
            dtype = next((name for name, kinds in _DTYPES.items() if kind in kinds), "")
            if dtype:
                product = op.get_friendly_name() in products
                yield Weights(dtype, math.prod(port.shape), product)


def _of_products(model: Any) -> Iterator[Any]:
    """Yield the constants that products multiply with."""
    for op in model.get_ordered_ops():
        if op.get_type_name() == "MatMul":
            node = op.input_value(1).get_node()
            while node.get_type_name() in _THROUGH:
                node = node.input_value(0).get_node()
            if node.get_type_name() == "Constant":
                yield node


def _positions(model: Any) -> int | None:
    rows = [
        op.output(0).shape[0]
        for op in model.get_ordered_ops()
        if op.get_type_name() == "Constant"
        and POSITIONS in op.get_friendly_name()
        and len(op.output(0).shape) == 2
        and op.output(0).shape[0] > 1
    ]
    return max(rows, default=None)

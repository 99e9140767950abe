"""The formats that a model can be exported to, and the way to each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

Format = Literal["onnx", "openvino", "tensorrt", "ort", "tflite", "executorch", "coreml"]

FORMATS: tuple[Format, ...] = get_args(Format)


class Route(NamedTuple):
    """Hold the exports that lead from the torch model to a format, in their order.

    Stages on exported models, such as `quantize`, work between `before` and `after`.
    """

    before: tuple[Format, ...]
    after: tuple[Format, ...] = ()


ROUTES: Mapping[str, Route] = {
    "onnx": Route(("onnx",)),
    "openvino": Route(("onnx", "openvino")),
    "tensorrt": Route(("onnx", "tensorrt")),
    "ort": Route(("onnx",), after=("ort",)),
    "tflite": Route(("tflite",)),
    "executorch": Route(("executorch",)),
    "coreml": Route(("coreml",)),
}


def of_torch(form: str) -> bool:
    """Tell whether a format is made of the torch model alone, and not of its ONNX export."""
    return "onnx" not in ROUTES[form].before

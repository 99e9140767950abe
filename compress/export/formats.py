"""The list of the formats that a model can be exported to."""

from __future__ import annotations

from typing import Literal, get_args

Format = Literal["onnx", "openvino", "tensorrt"]

FORMATS: tuple[Format, ...] = get_args(Format)

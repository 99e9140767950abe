"""The formats that a model can be exported to: the one list of them."""

from __future__ import annotations

from typing import Literal, get_args

Format = Literal["onnx", "openvino", "tensorrt"]

FORMATS: tuple[Format, ...] = get_args(Format)

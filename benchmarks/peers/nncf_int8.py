"""NNCF's post-training quantization of an OpenVINO model, calibrated on training rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.peers import torchscript
from benchmarks.peers.job import CalibrationText, Script

_EXPORT = "OpenVINO fp32"


def main() -> None:
    """Make the converted model and the quantized one."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    script = Script("nncf")
    model, tokenizer = torchscript.load(script.teacher, script.task)
    feeds = torchscript.example_feeds(model, tokenizer, script.texts[:2])
    plain = script.make(
        _EXPORT, lambda file: _convert(model, feeds, file), precision="fp32", format="openvino"
    )

    def encode(text: CalibrationText) -> dict[str, Any]:
        rows = torchscript.tokenized(tokenizer, [text], script.max_length, "np")
        return {name: rows[name] for name in feeds}

    script.make(
        "NNCF/OpenVINO PTQ INT8",
        lambda file: _quantize(plain, script.texts, encode, file),
        precision="int8",
        format="openvino",
        after=_EXPORT,
    )


def _convert(model: Any, feeds: dict[str, Any], target: Path) -> None:
    import openvino

    inputs = [(name, [-1, -1], openvino.Type.i64) for name in feeds]
    converted = openvino.convert_model(model, example_input=feeds, input=inputs)
    converted.outputs[0].get_tensor().set_names({"logits"})
    openvino.save_model(converted, target, compress_to_fp16=False)


def _quantize(source: Path, texts: list[CalibrationText], encode: Any, target: Path) -> None:
    import nncf
    import openvino

    quantized = nncf.quantize(
        openvino.Core().read_model(source),
        nncf.Dataset(texts, encode),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(texts),
    )
    openvino.save_model(quantized, target, compress_to_fp16=False)


if __name__ == "__main__":
    main()

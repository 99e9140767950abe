"""ONNX Runtime alone: its transformer optimizer, and quantize_dynamic with and without it.

The export is TorchScript's: with torch 2.13's default exporter, quantize_dynamic 1.31 fails
("Inferred shape and existing shape differ"), and the optimizer fuses no attention.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers import torchscript
from benchmarks.peers.job import Script
from benchmarks.peers.processor import cpu_flags, saturates


def main() -> None:
    """Make the fused fp32 model, the plain INT8 one and the fused INT8 one."""
    script = Script("onnxruntime")
    model, tokenizer = torchscript.load(script.teacher, script.task)
    feeds = torchscript.example_feeds(model, tokenizer, script.texts[:2])
    plain = script.folder / "export.onnx"
    torchscript.export(model, feeds, plain)
    fused = script.make(
        "ONNX Runtime optimizer fp32",
        lambda file: _optimize(plain, file, model.config),
        precision="fp32",
    )
    script.make(
        "ONNX Runtime quantize_dynamic",
        lambda file: _quantize(plain, file, reduce_range=False),
        precision="int8",
    )
    script.make(
        "ONNX Runtime optimizer + quantize_dynamic",
        lambda file: _quantize(fused, file, reduce_range=saturates(cpu_flags())),
        precision="int8",
        after="ONNX Runtime optimizer fp32",
    )


def _optimize(source: Path, target: Path, config: Any) -> None:
    from onnxruntime.transformers import optimizer

    optimized = optimizer.optimize_model(
        str(source),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=0,
    )
    optimized.save_model_to_file(str(target))


def _quantize(source: Path, target: Path, *, reduce_range: bool) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # fused operators have no shape inference: without the type quantize_dynamic gives up
    quantize_dynamic(
        source,
        target,
        weight_type=QuantType.QInt8,
        reduce_range=reduce_range,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


if __name__ == "__main__":
    main()

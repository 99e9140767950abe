"""Olive: a workflow that exports, fuses and quantizes, `olive run --config`.

It does not declare its dependency `requests`, so the requirements name it. Static INT8 is left out:
its accuracy is near chance (the attention mask's float-min sets the ranges).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.peers.job import Script, call
from benchmarks.peers.processor import cpu_flags, saturates
from benchmarks.peers.torchscript import OPSET

_EXPORT = "Olive fp32"


def main() -> None:
    """Make the fused fp32 model and the fused INT8 one."""
    script = Script("olive-ai")
    fused = _fusing_passes(script.teacher)
    script.make(_EXPORT, lambda file: _run(script, "fp32", fused, file), precision="fp32")
    script.make(
        "Olive INT8",
        lambda file: _run(script, "int8", {**fused, "quantize": _quantizing_pass()}, file),
        precision="int8",
        after=_EXPORT,
    )


def _fusing_passes(teacher: Path) -> dict[str, Any]:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(teacher)
    return {
        "convert": {
            "type": "OnnxConversion",
            "target_opset": OPSET,
            "use_dynamo_exporter": False,
        },
        "optimize": {
            "type": "OrtTransformersOptimization",
            "model_type": "bert",
            "num_heads": config.num_attention_heads,
            "hidden_size": config.hidden_size,
            "opt_level": 0,
        },
    }


def _quantizing_pass() -> dict[str, Any]:
    return {
        "type": "OnnxDynamicQuantization",
        "precision": "int8",
        "reduce_range": saturates(cpu_flags()),
        "extra_options": {"DefaultTensorType": 1},  # TensorProto.FLOAT, for the fused operators
    }


def _run(script: Script, name: str, passes: dict[str, Any], target: Path) -> None:
    out = script.folder / f"run-{name}"
    accelerators = [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}]
    content = {
        "input_model": {
            "type": "HfModel",
            "model_path": str(script.teacher),
            "task": script.task,
            "load_kwargs": {"attn_implementation": "eager"},
        },
        "systems": {"here": {"type": "LocalSystem", "accelerators": accelerators}},
        "passes": passes,
        "host": "here",
        "target": "here",
        "output_dir": str(out),
        "cache_dir": str(script.folder / "cache"),
        "log_severity_level": 1,
    }
    config = script.folder / f"run-{name}.json"
    config.write_text(json.dumps(content, indent=2), encoding="utf-8")
    call("olive", "run", "--config", config)
    shutil.move(out / "model.onnx", target)


if __name__ == "__main__":
    main()

"""optimum: `optimum-cli export onnx`, its O3 graph, and `optimum-cli onnxruntime quantize`.

The two cannot be combined: quantizing an O3 graph fails with "Unable to find data type for
weight_name", and the command line has no option for the type.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.peers.job import Script, call
from benchmarks.peers.processor import cpu_flags, optimum_flag

_EXPORT = "optimum fp32"


def main() -> None:
    """Make the plain and the O3 fp32 model, and the INT8 one for this CPU."""
    script = Script("optimum-onnx")
    work = script.folder
    plain = script.make(
        _EXPORT, lambda file: _export(script, work / "plain", file), precision="fp32"
    )
    script.make(
        "optimum O3 fp32",
        lambda file: _export(script, work / "o3", file, "--optimize", "O3"),
        precision="fp32",
    )
    flag = optimum_flag(cpu_flags())
    script.make(
        f"optimum INT8 {flag.removeprefix('--')}",
        lambda file: _quantize(plain.parent, work / "int8", file, flag),
        precision="int8",
        after=_EXPORT,
    )


def _export(script: Script, work: Path, target: Path, *options: str) -> None:
    command = ("export", "onnx", "--model", script.teacher, "--task", script.task)
    call("optimum-cli", *command, *options, work)
    shutil.move(work / "model.onnx", target)


def _quantize(source: Path, work: Path, target: Path, flag: str) -> None:
    command = ("onnxruntime", "quantize", "--onnx_model", source, "--per_channel", flag)
    call("optimum-cli", *command, "-o", work)
    shutil.move(work / "model_quantized.onnx", target)


if __name__ == "__main__":
    main()

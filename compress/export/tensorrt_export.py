"""Write the INT8 ONNX file for TensorRT, and the script that builds the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compress.graph.qdq_lint import lint_qdq
from compress.quantize.calibration import calibration_feeds
from compress.quantize.check import Limits, check_result
from compress.quantize.qdq import quantize_qdq
from compress.quantize.schemes import scheme_of
from compress.stage import RunContext
from runtimes.artifact import Artifact
from runtimes.errors import QualityError

SCRIPT = "build_engine.sh"
_MAX_BATCH = 8
_SCHEME = "int8-static"

_TEMPLATE = """\
#!/bin/sh
# Build model.engine from model.onnx, on the device that will run it: an engine fits one GPU
# and one TensorRT version. Further trtexec options may follow the command.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec trtexec \\
  --onnx="$here/model.onnx" \\
  --saveEngine="$here/model.engine" \\
  --stronglyTyped \\
  --minShapes={smallest} \\
  --optShapes={usual} \\
  --maxShapes={largest} \\
  "$@"
"""


def export_tensorrt(
    plain: Artifact, rows: int, context: RunContext, folder: Path
) -> dict[str, float]:
    """Write model.onnx with symmetric Q/DQ pairs and build_engine.sh; return the check's metrics.

    TensorRT 11 takes strongly typed networks only: the types in the file decide, and INT8 needs
    explicit Q/DQ pairs with zero point 0. Accuracy is checked in ONNX Runtime, which computes the
    same quantized values. Raises QualityError on a finding of `lint_qdq` or when too much accuracy
    is lost.
    """
    feeds = calibration_feeds(plain, context.data, rows)
    path = folder / "model.onnx"
    quantize_qdq(plain.model_file, feeds, path, symmetric=True, reduce_range=False)
    findings = lint_qdq(path)
    if findings:
        raise QualityError(
            f"{path.name}: TensorRT would not build this: {'; '.join(findings[:5])}",
            action="report the architecture",
        )
    lengths = [row["input_ids"].shape[1] for row in feeds]
    _write_script(plain, int(np.median(lengths)), folder / SCRIPT)
    advice = scheme_of("onnx", _SCHEME).advice
    limits = Limits(_SCHEME, largest=0.95, max_drop=0.03, advice=advice)
    return check_result(plain, folder, limits, context)


def _write_script(plain: Artifact, usual_length: int, path: Path) -> None:
    names = [spec.name for spec in plain.inputs]

    def shapes(batch: int, length: int) -> str:
        return ",".join(f"{name}:{batch}x{length}" for name in names)

    text = _TEMPLATE.format(
        smallest=shapes(1, 2),
        usual=shapes(1, max(usual_length, 2)),
        largest=shapes(_MAX_BATCH, plain.max_length),
    )
    path.write_text(text, encoding="utf-8", newline="\n")
    path.chmod(0o755)

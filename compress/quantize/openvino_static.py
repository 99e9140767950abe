"""INT8 weights and activations for OpenVINO, by NNCF's post-training quantization."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress.graph.openvino_graph import save_openvino
from compress.quantize.calibration import calibration_feeds
from compress.quantize.quiet_nncf import quiet_nncf
from compress.stage import RunContext
from runtimes.artifact import Artifact
from runtimes.openvino_runtime import read_openvino

if TYPE_CHECKING:
    from compress.quantize.stage import Quantize


def quantize(source: Artifact, settings: Quantize, context: RunContext, folder: Path) -> None:
    """Insert fake-quantize operators with ranges from real rows at their own lengths.

    Without an 8-bit dot product, all weights use half the range; otherwise sums saturate
    (nncf#1498).
    """
    if not context.target.int8_dot:
        context.progress.warn(
            "OpenVINO's static INT8 is for size, not for speed, on a CPU without an 8-bit dot"
            " product (VNNI, dotprod): measure it against its fp32 export"
        )
    feeds = calibration_feeds(source, context.data, settings.calibration_rows)
    model = read_openvino(source.model_file)
    with quiet_nncf() as nncf:
        overflow = nncf.OverflowFix.DISABLE if context.target.int8_dot else nncf.OverflowFix.ENABLE
        result = nncf.quantize(
            model,
            nncf.Dataset(feeds),
            subset_size=len(feeds),
            target_device=nncf.TargetDevice.CPU,
            model_type=nncf.ModelType.TRANSFORMER,
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=overflow),
        )
    save_openvino(result, folder / source.model_file.name)

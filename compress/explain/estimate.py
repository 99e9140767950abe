"""A model's latency on a device that nobody measured: a range, from counted work and peaks.

A roofline (Williams et al. 2009, Communications of the ACM 52): each product takes the longer of
its arithmetic at the peak rate and its bytes at the memory's. Real kernels reach a share of both,
so the answer is a range. It screens shapes; a gate judges measurements alone, and takes none of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.explain.op_kinds import PRODUCT, kind_of, onnx_compute
from profiles.device import DeviceProfile, Peaks
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

EFFICIENCY = (0.25, 1.0)
"""The share of the peaks that kernels reach: from small products to large ones."""
NODE_US = (0.5, 8.0)
"""What a node costs beside its arithmetic, in microseconds."""
_BYTES = {"int8": 1, "fp16": 2}
CHECKED = (
    "the range was chosen on the same 12 fp32 encoders that it was checked on (one core of an AMD"
    " EPYC, 2026-11-23: 12 of 12 inside, 1.51x from its middle typically, 1.74x at worst); a range"
    " chosen on 6 of them held 5 of the 6 others"
)
"""The last error of benchmarks/latency_estimate.py; on other processors it is not known."""
_NEITHER = "a range from counted work; no gate takes it, only a measurement on the device decides"


@dataclass(frozen=True, slots=True)
class Work:
    """Hold one product's multiply-adds, the bytes that it moves, and the type it computes in."""

    node: str
    compute: str
    macs: int
    moved: int


@dataclass(frozen=True, slots=True)
class LatencyEstimate:
    """Hold the range in which a model's own latency may lie; it is no measurement.

    `kind` says so wherever it is written. `low_ms` to `high_ms` are for one row of `length` tokens.
    """

    low_ms: float
    high_ms: float
    length: int
    threads: int
    profile: str
    macs: int
    nodes: int
    kind: str = "estimate"
    note: str = _NEITHER
    checked: str = CHECKED

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON values."""
        return asdict(self)

    def text(self) -> str:
        """Describe it on three lines."""
        return (
            f"estimate on {self.profile}: {self.low_ms:.3g} to {self.high_ms:.3g} ms for a row of"
            f" {self.length} tokens, {self.threads} threads ({self.macs / 1e6:.1f} M multiply-adds,"
            f" {self.nodes} nodes)\n{self.note}\n{self.checked}"
        )


def estimate(artifact: Artifact, profile: DeviceProfile, length: int) -> LatencyEstimate:
    """Return the range of an ONNX model's latency on a profile's device.

    Raises UnsupportedError for another format, or a profile without peaks.
    """
    if artifact.format != "onnx":
        raise UnsupportedError(
            f"{artifact.path}: the work of format {artifact.format!r} is not counted",
            expected="onnx",
            action="estimate its ONNX export",
        )
    peaks = profile.hardware.peaks
    if peaks is None:
        raise UnsupportedError(
            f"profile {profile.name!r} has no peaks",
            expected="[hardware] peaks = {fp32_gflops = …, int8_gops = …, memory_gb_s = …}",
            action="add those of one core and the memory, published or measured",
        )
    products, nodes = counted(artifact.model_file, length)
    threads = max(profile.runtime.threads, 1)
    return estimate_of(products, nodes, peaks, threads, length, profile.name)


def estimate_of(
    products: Sequence[Work],
    nodes: int,
    peaks: Peaks,
    threads: int,
    length: int,
    profile: str,
    *,
    least: float = EFFICIENCY[0],
) -> LatencyEstimate:
    """Return the range for counted work; the memory's rate is shared by all threads.

    `least` is the share of the peaks that the slowest kernels reach.
    """
    best_s = sum(_seconds(work, peaks, threads) for work in products)
    low, high = NODE_US
    return LatencyEstimate(
        low_ms=1e3 * best_s / EFFICIENCY[1] + nodes * low / 1e3,
        high_ms=1e3 * best_s / least + nodes * high / 1e3,
        length=length,
        threads=threads,
        profile=profile,
        macs=sum(work.macs for work in products),
        nodes=nodes,
    )


def _seconds(work: Work, peaks: Peaks, threads: int) -> float:
    rate = peaks.int8_gops if work.compute == "int8" else peaks.fp32_gflops
    return max(2 * work.macs / (rate * 1e9 * threads), work.moved / (peaks.memory_gb_s * 1e9))


def counted(model: Path, length: int) -> tuple[list[Work], int]:
    """Return a model's matrix products at one length, and the number of all its nodes."""
    import onnx

    network = onnx.load(model, load_external_data=False)
    for value in network.graph.input:
        for place, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value") or dim.dim_value <= 0:
                dim.dim_value = 1 if place == 0 else length
    graph = onnx.shape_inference.infer_shapes(network, data_prop=True).graph
    shapes = dict(_shapes(graph))
    products = [node for node in graph.node if kind_of(node.op_type) == PRODUCT]
    return [_work(node, shapes, length) for node in products], len(graph.node)


def _shapes(graph: GraphProto) -> Iterator[tuple[str, list[int]]]:
    for value in (*graph.value_info, *graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        yield value.name, [dim.dim_value for dim in dims]
    for tensor in graph.initializer:
        yield tensor.name, list(tensor.dims)


def _work(node: NodeProto, shapes: dict[str, list[int]], length: int) -> Work:
    """Count one product; a left side of unknown shape has a row for each token."""
    level = next((a.i for a in node.attribute if a.name == "accuracy_level"), 0)
    compute = onnx_compute(node.op_type, "float", level)
    sizes = {a.name: a.i for a in node.attribute if a.name in ("K", "N")}
    left, right = (shapes.get(name, []) for name in (*node.input, "", "")[:2])
    inner, columns = sizes.get("K", 0), sizes.get("N", 0)
    if not inner and len(right) >= 2:
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        inner, columns = (right[-1], right[-2]) if transposed else (right[-2], right[-1])
    known = left and all(left)
    rows = math.prod(left) // max(left[-1], 1) if known else length
    width = 0.5 if sizes else _BYTES.get(compute, 4)
    batches = math.prod(right[:-2]) if len(right) > 2 and all(right) else 1
    moved = batches * inner * columns * width + 4 * rows * (inner + columns)
    return Work(node.name, compute, rows * inner * columns, int(moved))

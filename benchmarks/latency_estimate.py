"""How far `edgepress budget estimate` is from the truth on this machine, on shapes held out.

The range is chosen on six shapes: the least share of the peaks that covers them. It is checked on
six others, which took no part in the choice.

The peaks are those of micro-kernels, one product of each type and one large copy; then encoder
layers of other sizes are built, estimated and timed, one thread.

    python benchmarks/latency_estimate.py
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from compress.explain.estimate import EFFICIENCY, LatencyEstimate, Work, counted, estimate_of
from profiles.device import Peaks
from runtimes.facts import probe

LAYERS, WIDTHS, LENGTHS = (1, 4), (128, 384), (16, 48, 128)


def _fastest_s(run: Callable[[], Any], seconds: float = 1.0) -> float:
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def _quiet_ms(run: Callable[[], Any], seconds: float = 1.0) -> float:
    run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.quantile(times, 0.1))  # other work on the machine is in the slower ones


def _session(graph: Any, folder: Path) -> Any:
    import onnx
    import onnxruntime

    path = folder / f"{graph.name}.onnx"
    opsets = [onnx.helper.make_opsetid("", 20)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]), path


def micro_peaks(folder: Path) -> Peaks:
    """Measure one core's peaks by one product of 128 x 512 x 512 and one copy of 256 MB."""
    from onnx import TensorProto, helper, numpy_helper

    rates = {}
    for op, kind, weight in (
        ("MatMul", TensorProto.FLOAT, np.ones((512, 512), np.float32)),
        ("MatMulInteger", TensorProto.UINT8, np.ones((512, 512), np.int8)),
    ):
        out = TensorProto.FLOAT if op == "MatMul" else TensorProto.INT32
        graph = helper.make_graph(
            [helper.make_node(op, ["x", "w"], ["y"])],
            op,
            [helper.make_tensor_value_info("x", kind, [128, 512])],
            [helper.make_tensor_value_info("y", out, [128, 512])],
            [numpy_helper.from_array(weight, "w")],
        )
        session, _ = _session(graph, folder)
        left = np.ones((128, 512), np.float32 if op == "MatMul" else np.uint8)
        seconds = _fastest_s(functools.partial(session.run, None, {"x": left}))
        rates[op] = 2 * 128 * 512 * 512 / seconds / 1e9
    source = np.ones(2**28, np.uint8)
    target = np.empty_like(source)
    moved = 2 * source.nbytes / _fastest_s(lambda: np.copyto(target, source)) / 1e9
    return Peaks(fp32_gflops=rates["MatMul"], int8_gops=rates["MatMulInteger"], memory_gb_s=moved)


def encoder(layers: int, width: int, length: int) -> Any:
    """Return a graph of encoder layers: attention with one head, and an FFN of four widths."""
    from onnx import TensorProto, helper, numpy_helper

    random, nodes, weights = np.random.default_rng(7), [], []

    def dense(source: str, rows: int, columns: int, name: str) -> str:
        value = random.normal(0, rows**-0.5, (rows, columns)).astype(np.float32)
        weights.append(numpy_helper.from_array(value, f"w_{name}"))
        nodes.append(helper.make_node("MatMul", [source, f"w_{name}"], [name]))
        return name

    def node(op: str, inputs: list[str], name: str, **settings: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [name], **settings))
        return name

    weights.append(numpy_helper.from_array(np.ones(width, np.float32), "scale"))
    last = "x"
    for layer in range(layers):
        q, k, v = (dense(last, width, width, f"{part}{layer}") for part in "qkv")
        turned = node("Transpose", [k], f"t{layer}", perm=[0, 2, 1])
        scores = node("Softmax", [node("MatMul", [q, turned], f"s{layer}")], f"p{layer}", axis=-1)
        mixed = dense(node("MatMul", [scores, v], f"c{layer}"), width, width, f"o{layer}")
        first = node(
            "LayerNormalization", [node("Add", [last, mixed], f"a{layer}"), "scale"], f"n{layer}"
        )
        wide = node("Gelu", [dense(first, width, 4 * width, f"u{layer}")], f"g{layer}")
        out = node("Add", [first, dense(wide, 4 * width, width, f"d{layer}")], f"b{layer}")
        last = node("LayerNormalization", [out, "scale"], f"h{layer}")
    shape = [1, length, width]
    return helper.make_graph(
        nodes,
        f"encoder_{layers}_{width}_{length}",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)],
        weights,
    )


class Seen(NamedTuple):
    """Hold a shape's truth, and the products and nodes that its estimate is made of."""

    name: str
    truth_ms: float
    products: list[Work]
    nodes: int
    length: int

    def estimated(self, peaks: Peaks, share: float) -> LatencyEstimate:
        """Return the range with another least share of the peaks."""
        return estimate_of(
            self.products, self.nodes, peaks, 1, self.length, "this machine", least=share
        )

    def inside(self, peaks: Peaks, share: float) -> bool:
        """Tell whether the truth lies in the range."""
        found = self.estimated(peaks, share)
        return found.low_ms <= self.truth_ms <= found.high_ms


def measured(folder: Path) -> list[Seen]:
    """Time every shape."""
    found = []
    for layers, width, length in product(LAYERS, WIDTHS, LENGTHS):
        session, path = _session(encoder(layers, width, length), folder)
        x = np.random.default_rng(1).normal(size=(1, length, width)).astype(np.float32)
        truth_ms = _quiet_ms(functools.partial(session.run, None, {"x": x}))
        name = f"{layers} layers, {width:>3} wide, {length:>3} tokens"
        found.append(Seen(name, truth_ms, *counted(path, length), length))
    return found


def chosen(seen: Sequence[Seen], peaks: Peaks) -> float:
    """Return the largest share, in steps of 0.05, whose range holds the truth of all shapes."""
    shares = [round(0.05 * step, 2) for step in range(20, 0, -1)]
    fitting = [share for share in shares if all(one.inside(peaks, share) for one in seen)]
    return fitting[0] if fitting else shares[-1]


def told(seen: Sequence[Seen], peaks: Peaks, share: float, what: str) -> None:
    """Print each shape's range and truth, and the error over all of them."""
    ratios = []
    for one in seen:
        found = one.estimated(peaks, share)
        ratios.append(one.truth_ms / (found.low_ms * found.high_ms) ** 0.5)
        print(
            f"{one.name}: {one.truth_ms:7.3f} ms; estimate {found.low_ms:.3f} to"
            f" {found.high_ms:.3f} {'' if one.inside(peaks, share) else '(outside)'}"
        )
    errors = [max(ratio, 1 / ratio) for ratio in ratios]
    inside = sum(one.inside(peaks, share) for one in seen)
    print(
        f"{what}: {inside} of {len(seen)} inside the range; from its middle"
        f" {np.median(errors):.2f}x typically, {max(errors):.2f}x at worst"
    )


def main() -> None:
    """Print the peaks, the share that was chosen, and the error on the shapes held out."""
    with tempfile.TemporaryDirectory() as scratch:
        peaks = micro_peaks(Path(scratch))
        print(f"{probe().cpu_model}, one thread: {peaks.model_dump()}")
        seen = measured(Path(scratch))
    choosing, held_out = seen[::2], seen[1::2]
    share = chosen(choosing, peaks)
    print(f"least share of the peaks chosen on {len(choosing)} shapes: {share:g}")
    told(choosing, peaks, share, "chosen on")
    told(held_out, peaks, share, "held out")
    told(held_out, peaks, EFFICIENCY[0], f"held out, with the shipped {EFFICIENCY[0]:g}")


if __name__ == "__main__":
    main()

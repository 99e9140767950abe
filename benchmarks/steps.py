"""Where the time from text to label goes, step by step, beside what no model can go under.

python -m benchmarks.steps MODEL --texts CSV [--text COL] [--rows N] [--passes N] [--json FILE]

In one process and one thread, each pass answers every text once, in another order. After each
answer an empty graph with the model's inputs and outputs runs in the same runtime, which is what
calling it costs; a Python call that does nothing stands for the clock. Steps:

    encode    the text becomes the model's inputs
    run       the runtime computes
    read      its output becomes numbers, which are checked
    name      the numbers become a label and its score

--json FILE holds `schema_version`, `model`, `runtime`, `texts`, `machine`, `steps` and `floor`, by
name: `p10_us`, `p50_us` and `p90_us` of the texts' medians over the passes, and `operators`: the
mean time of each operator within `run`, by the runtime's own profiler, where it has one.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.command import run
from compress.data.reading import read_table
from compress.explain.profiling import profile
from profiles.job import Job
from runtimes.artifact import Artifact, open_artifact
from runtimes.errors import UnsupportedError
from runtimes.predict import Predictor, open_predictor
from runtimes.runtime import RUNTIMES, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimes.runtime import Feeds, Opened, Outputs

STEPS = ("encode", "run", "read", "name")
FLOOR = ("empty graph", "empty call")
_SEED = 7
OPERATOR_SECONDS = 4.0
_WARM_UP_PASSES = 2


@click.command(context_settings={"show_default": True})
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--texts", required=True, metavar="CSV", help="Rows to answer.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--rows", default=500, type=click.IntRange(1), help="How many of them.")
@click.option("--passes", default=15, type=click.IntRange(1), help="Over all of them.")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    model: Path, texts: str, text: str, rows: int, passes: int, json_file: Path | None
) -> None:
    """Time each step from a text to its label."""
    run(lambda: measured(model, texts, text, rows, passes), table, json_file)


def measured(
    model: Path,
    texts: str,
    text: str,
    rows: int,
    passes: int,
    operator_seconds: float = OPERATOR_SECONDS,
) -> dict[str, Any]:
    """Return all figures, as in the JSON file."""
    artifact = open_artifact(model)
    known = [row for (row,) in read_table(texts, Path(), (text,)).rows]
    chosen = random.Random(_SEED).sample(known, min(rows, len(known)))
    predictor = open_predictor(model, threads=1)
    with tempfile.TemporaryDirectory() as folder:
        empty = _empty_graph(Path(folder) / "empty.onnx", predictor.opened)
        seen = _timed(predictor, empty, chosen, passes)
    figures = {name: _figures(seen[:, :, place]) for place, name in enumerate(STEPS + FLOOR)}
    return {
        "schema_version": 1,
        "model": model.name,
        "runtime": f"{predictor.opened.runtime} {predictor.opened.version}",
        "texts": len(chosen),
        "machine": asdict(Job().facts()),
        "steps": {name: figures[name] for name in STEPS},
        "text to label": _figures(seen[:, :, : len(STEPS)].sum(axis=2)),
        "floor": {name: figures[name] for name in FLOOR},
        "operators": _operators(artifact, chosen, operator_seconds),
    }


def _timed(
    predictor: Predictor, empty: Callable[[Feeds], Outputs], texts: Sequence[str], passes: int
) -> NDArray[np.float64]:
    """Return the µs of each step and floor, shape (passes, texts, steps and floors)."""
    seen = np.zeros((passes, len(texts), len(STEPS + FLOOR)))
    order = list(range(len(texts)))
    draw = random.Random(_SEED)
    for place in range(-_WARM_UP_PASSES, passes):
        draw.shuffle(order)
        for row in order:
            us = _answered(predictor, empty, texts[row])
            if place >= 0:
                seen[place, row] = us
    return seen


def _answered(predictor: Predictor, empty: Callable[[Feeds], Outputs], text: str) -> list[float]:
    now, task = time.perf_counter_ns, predictor.task
    times = [now()]
    feeds = task.feeds(text)
    times.append(now())
    outputs = predictor.infer(feeds)
    times.append(now())
    answer = predictor.answer_in(outputs, feeds)
    times.append(now())
    task.shown(answer, text, 0)
    times.append(now())
    empty(feeds)
    times.append(now())
    _nothing(feeds)
    times.append(now())
    return [(end - start) / 1e3 for start, end in pairwise(times)]


def _nothing(feeds: Feeds) -> Feeds:
    return feeds


def _empty_graph(file: Path, opened: Opened) -> Callable[[Feeds], Outputs]:
    """Return the run of a graph with a model's inputs and outputs that computes nothing.

    Where the runtime loads no ONNX graph, a Python function that returns one answer.
    """
    runtime = RUNTIMES.resolve(opened.runtime)()
    if "onnx" not in runtime.formats:
        outputs = {spec.name: np.zeros(_one_row(spec), np.float32) for spec in opened.outputs}
        return lambda feeds: outputs
    _write_empty(file, opened)
    run: Callable[[Feeds], Outputs] = runtime.open(file, 1).run
    return run


def _write_empty(file: Path, opened: Opened) -> None:
    from onnx import TensorProto, helper, numpy_helper, save

    kinds = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
    inputs = [
        helper.make_tensor_value_info(spec.name, kinds[spec.dtype], list(spec.shape))
        for spec in opened.inputs
    ]
    outputs = [
        helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, _one_row(spec))
        for spec in opened.outputs
    ]
    zeros = [
        numpy_helper.from_array(np.zeros(_one_row(spec), np.float32), f"zeros_of_{spec.name}")
        for spec in opened.outputs
    ]
    nodes = [
        helper.make_node("Identity", [zero.name], [spec.name])
        for zero, spec in zip(zeros, opened.outputs, strict=True)
    ]
    graph = helper.make_graph(nodes, "empty", inputs, outputs, zeros)
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=10), str(file))


def _one_row(spec: TensorSpec) -> list[int]:
    return [size if isinstance(size, int) else 1 for size in spec.shape]


def _figures(us: NDArray[np.float64]) -> dict[str, float]:
    """Return percentiles over the texts of each text's median over the passes."""
    ends = np.percentile(np.median(us, axis=0), [10, 50, 90])
    return {
        f"p{share}_us": round(float(end), 2) for share, end in zip((10, 50, 90), ends, strict=True)
    }


def _operators(artifact: Artifact, texts: Sequence[str], seconds: float) -> dict[str, Any]:
    """Return the mean µs of each operator and of what the runtime does outside them."""
    try:
        known = profile(artifact, texts, 1, seconds)
    except UnsupportedError:
        return {}
    nodes = [
        {"name": node.name, "op": node.op, "us": round(node.ms * 1e3, 2)} for node in known.nodes
    ]
    return {"outside_us": round(known.outside_ms * 1e3, 2), "nodes": nodes}


def table(result: Mapping[str, Any]) -> str:
    """Return the figures for a terminal."""
    said = f"{result['model']}, {result['runtime']}, {result['texts']} texts, one thread"
    lines = [said, f"{'step':<16}{'p10 us':>10}{'p50 us':>10}{'p90 us':>10}"]
    rows = {**result["steps"], "text to label": result["text to label"], **result["floor"]}
    for name, one in rows.items():
        lines.append(f"{name:<16}" + "".join(f"{one[key]:>10.2f}" for key in one))
    if found := result["operators"]:
        lines.append(f"operators of a run (mean us); outside them {found['outside_us']:.2f}")
        lines += [f"{one['us']:>10.2f}  {one['op']:<28}{one['name']}" for one in found["nodes"]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Compare the speed of edgepress's fp32 graph with other tools' graphs of the same model.

python -m benchmarks.graph --teacher FOLDER --texts CSV --text COL [--other NAME=FILE ...]

Every graph computes the same logits (checked) and runs in ONNX Runtime, batch 1, at the texts' own
lengths, interleaved. The contestants are

    edgepress      what `edgepress export` writes
    torchscript    PyTorch's TorchScript exporter, which `optimum-cli export onnx` calls
    optimized O2   torchscript after onnxruntime.transformers.optimizer at level 2: the fusions of
                   `optimum-cli export onnx --optimize O2` (attention, skip-LayerNorm, bias-GELU,
                   embedding block)
    edgepress O2   the same optimizer on edgepress's graph

and each --other file: an ONNX graph of the same model that was made elsewhere, such as in an
environment of optimum's. --json FILE holds `schema_version`, `threads`, `texts` and `graphs`, by
name: `nodes`, `size_mb`, `model_latency_p50_ms`, `difference` (largest of a logit, relative to the
largest logit) and `slower` {value, lower, upper} (latency over edgepress's at the median, the
geometric mean of the processes, one-sided 95 % bounds).
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command import run
from benchmarks.peers import torchscript
from compress.data.dataset import Dataset
from compress.data.reading import read_table
from compress.data.rows import Rows
from compress.export.parity import file_run
from compress.export.stage import Export
from compress.graph.onnx_graph import read_onnx
from compress.models.feeds import ExampleFeeds
from compress.models.teacher import import_model, open_model
from compress.models.torch_model import copy_tokenizer, quiet_transformers
from compress.stage import RunContext, execute
from profiles.job import Job
from profiles.selection import paired_rounds
from profiles.statistics import ratio_interval
from runtimes.artifact import Artifact, write_like
from runtimes.errors import InputError
from runtimes.samples import Block, MeasurePlan, Samples, Variant

OURS = "edgepress"
_ROWS = 200
_NOTHING = Rows((), ())


@click.command(context_settings={"show_default": True})
@click.option("--teacher", required=True, metavar="FOLDER", help="A fine-tuned classifier.")
@click.option("--texts", required=True, metavar="CSV", help="Rows to run.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--other", multiple=True, metavar="NAME=FILE", help="A further graph of the model.")
@click.option("--max-length", default=128, type=click.IntRange(8), help="Tokens at most.")
@click.option("--threads", default=1, type=click.IntRange(1))
@click.option("--processes", default=5, type=click.IntRange(2), help="Fresh processes each.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(json_file: Path | None, **options: Any) -> None:
    """Compare the speed of edgepress's fp32 graph with other tools' graphs of the same model."""
    run(lambda: compare(**options), table, json_file)


def compare(
    *,
    teacher: str,
    texts: str,
    text: str,
    other: Sequence[str],
    max_length: int,
    threads: int,
    processes: int,
) -> dict[str, Any]:
    """Make every graph, run them side by side, and return the figures of the module's docstring."""
    rows = [row for (row,) in read_table(texts, Path(), (text,)).rows]
    chosen = [rows[place] for place in np.linspace(0, len(rows) - 1, _ROWS).astype(int)]
    with tempfile.TemporaryDirectory(prefix="edgepress-graph-") as folder:
        graphs = make_graphs(teacher, max_length, _named(other), Path(folder))
        differences = {name: _difference(graphs, name) for name in graphs}
        variants = [Variant(name, one, "onnxruntime", threads) for name, one in graphs.items()]
        seen = Job().measure(
            variants, chosen, MeasurePlan(processes=processes, cold_starts=processes)
        )
        figures = {
            name: _figures(graphs[name], seen[name], seen[OURS]) | {"difference": difference}
            for name, difference in differences.items()
        }
    return {"schema_version": 1, "threads": threads, "texts": len(chosen), "graphs": figures}


def make_graphs(
    teacher: str, max_length: int, others: Mapping[str, Path], folder: Path
) -> dict[str, Artifact]:
    """Write each contestant's graph as its own artifact."""
    model = open_model(teacher, task="text-classification", max_length=max_length)
    source = import_model(model, folder / "teacher")
    nothing = Dataset(source.labels, _NOTHING, _NOTHING, _NOTHING, (), "")
    scratch = folder / "scratch"
    scratch.mkdir()
    ours = execute(Export("onnx"), source, RunContext(nothing, None, 7, scratch), folder / "ours")
    traced = scratch / "traced.onnx"
    config = _trace(source.path, traced)
    files = {
        "torchscript": traced,
        "optimized O2": _optimized(traced, config, scratch / "traced-o2.onnx"),
        "edgepress O2": _optimized(ours.model_file, config, scratch / "ours-o2.onnx"),
        **others,
    }
    made = {name: _as_artifact(ours, path, folder / name) for name, path in files.items()}
    return {OURS: ours, **made}


def _named(others: Sequence[str]) -> dict[str, Path]:
    pairs = [one.partition("=") for one in others]
    paths = {name: Path(path) for name, _, path in pairs}
    missing = [str(path) for path in paths.values() if not path.is_file()]
    if missing:
        raise InputError(
            f"--other {missing[0]}: no such file", expected="NAME=FILE", action="check the path"
        )
    return paths


def _trace(source: Path, path: Path) -> Any:
    """Write the model as PyTorch's TorchScript exporter does; return its configuration."""
    with warnings.catch_warnings(), quiet_transformers():
        warnings.simplefilter("ignore")  # of a deprecated exporter, and of traced values
        model, tokenizer = torchscript.load(source, "text-classification")
        feeds = torchscript.example_feeds(model, tokenizer, ["one text", "and another one"])
        torchscript.export(model, feeds, path)
    return model.config


def _optimized(source: Path, config: Any, path: Path) -> Path:
    from onnxruntime.transformers import optimizer

    heads, width = config.num_attention_heads, config.hidden_size
    made = optimizer.optimize_model(
        str(source), model_type="bert", num_heads=heads, hidden_size=width, opt_level=2
    )
    made.save_model_to_file(str(path))
    return path


def _as_artifact(like: Artifact, graph: Path, folder: Path) -> Artifact:
    """Put a graph beside the tokenizer, with the manifest of another artifact of the same model."""
    folder.mkdir()
    copy_tokenizer(like.path, folder)
    shutil.copyfile(graph, folder / "model.onnx")
    return write_like(like, folder, format="onnx", precision="fp32", history=())


def _difference(graphs: Mapping[str, Artifact], name: str) -> float:
    ours = graphs[OURS]
    feeds = ExampleFeeds.of(ours).draw(2, 13, 4)
    feeds["token_type_ids"] = np.zeros_like(feeds["input_ids"])
    expected, output = (file_run(one.path, "onnx")(feeds) for one in (ours, graphs[name]))
    return float(np.abs(expected - output).max() / max(1.0, float(np.abs(expected).max())))


def _figures(graph: Artifact, seen: Samples, ours: Samples) -> dict[str, Any]:
    seen.raise_fault()
    mine, theirs = paired_rounds(_model_time(seen), _model_time(ours))
    slower = ratio_interval(mine, theirs, 0.95)
    return {
        "nodes": len(read_onnx(graph.model_file).graph.node),
        "size_mb": round(graph.size_mb, 3),
        "model_latency_p50_ms": round(float(np.median(np.concatenate(mine))), 4),
        "slower": {"value": slower.value, "lower": slower.lower, "upper": slower.upper},
    }


def _model_time(samples: Samples) -> list[Block]:
    """Return the blocks with the model's own part as their latencies: the graphs differ in that."""
    return [replace(block, latency_ms=block.model_ms) for block in samples.blocks]


def table(result: Mapping[str, Any]) -> str:
    """Return the figures as lines for a terminal."""
    lines = [f"{'graph':14} {'nodes':>5} {'MB':>7} {'p50 ms':>8}  slower than edgepress"]
    for name, row in result["graphs"].items():
        value, lower, upper = (row["slower"][key] for key in ("value", "lower", "upper"))
        lines.append(
            f"{name:14} {row['nodes']:5} {row['size_mb']:7.2f} {row['model_latency_p50_ms']:8.3f}"
            f"  {value:.3f}× [{lower:.3f}, {upper:.3f}]"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

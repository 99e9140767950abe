"""Compare ready exports of a model in their runtimes: ONNX Runtime, LiteRT, ExecuTorch, …

python -m benchmarks.mobile_runtimes --test CSV --text COL --label COL \\
    --compare ONNX,OTHER,OTHER... [--compare ONNX,OTHER...] --json FILE

Each --compare names folders of artifacts of one torch model; the first is what the others are
compared with: its fp32 ONNX export. The folders are those of `edgepress export` and `edgepress
quantize`, which compared each with torch. All models of all --compare run in one interleaved
session on this machine, one thread, one row at a time, from text to label, in the first runtime
that loads their format. Every process needs all runtimes; litert-torch, which converts, need not be
in that environment.

--json FILE holds `schema_version`, `rows`, `machine` and `models`, by --compare's first folder and
then by folder: `runtime`, `version`, `precision`, `size_mb`, `accuracy`, `agreement` (share of rows
with the first one's label), `latency_p50_ms` and `faster` {value, lower, upper} (the first one's
latency over its own at the median, geometric mean of the processes, one-sided 95 % bounds), or
`failure`: what the runtime said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.command import run
from compress.data.reading import read_table
from profiles.job import Job
from profiles.selection import process_pairs
from profiles.statistics import ratio_interval
from runtimes.artifact import Artifact, open_artifact
from runtimes.errors import EdgepressError, InputError
from runtimes.runtime import runs_in
from runtimes.samples import MeasurePlan, Samples, Variant

_MEASURED = 200
"""Rows that are measured; accuracy is that of --rows."""


@click.command(context_settings={"show_default": True})
@click.option("--compare", "groups", multiple=True, required=True, metavar="ONNX,FOLDER,...")
@click.option("--test", required=True, metavar="CSV", help="Labeled rows.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--label", default="label", help="The column of labels.")
@click.option("--rows", default=770, type=click.IntRange(1), help="Rows to answer, evenly spaced.")
@click.option("--processes", default=5, type=click.IntRange(2), help="Fresh processes each.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(json_file: Path | None, **options: Any) -> None:
    """Compare ready exports of a model in their runtimes."""
    run(lambda: compare(**options), table, json_file)


def compare(
    *, groups: Sequence[str], test: str, text: str, label: str, rows: int, processes: int
) -> dict[str, Any]:
    """Answer and measure every model, and return the figures of the module's docstring."""
    named = [[open_artifact(Path(folder)) for folder in group.split(",")] for group in groups]
    models = [model for group in named for model in group]
    names = [model.path.name for model in models]
    if len(set(names)) < len(names):
        raise InputError(
            f"--compare: two folders of one name among {', '.join(names)}",
            expected="folders with names of their own",
            action="rename one",
        )
    table_rows = read_table(test, Path(), (text, label)).rows
    places = np.unique(np.linspace(0, len(table_rows) - 1, min(rows, len(table_rows))).astype(int))
    texts, labels = zip(*(table_rows[place] for place in places), strict=True)
    variants = {name: _variant(model) for name, model in zip(names, models, strict=True)}
    answers = {name: _answers(variant, texts) for name, variant in variants.items()}
    plan = MeasurePlan(processes=processes, cold_starts=processes)
    able = [variants[name] for name, said in answers.items() if not isinstance(said, str)]
    seen = Job().measure(able, texts[:: max(1, len(texts) // _MEASURED)], plan)
    return {
        "schema_version": 1,
        "rows": len(texts),
        "machine": asdict(Job().facts()),
        "models": {
            group[0].path.name: {
                model.path.name: _figures(model, group[0], answers, seen, labels) for model in group
            }
            for group in named
        },
    }


def _variant(model: Artifact) -> Variant:
    return Variant(model.path.name, model, runs_in(model.format))


def _answers(variant: Variant, texts: Sequence[str]) -> NDArray[np.float32] | str:
    """Return the scores of every row, or why there are none."""
    try:
        return np.array(Job().answers(variant, texts))
    except EdgepressError as error:
        return error.received


def _figures(
    model: Artifact,
    first: Artifact,
    answers: Mapping[str, NDArray[np.float32] | str],
    seen: Mapping[str, Samples],
    labels: Sequence[str],
) -> dict[str, Any]:
    name, said = model.path.name, answers[model.path.name]
    known: dict[str, Any] = {"runtime": runs_in(model.format), "precision": model.precision}
    known["size_mb"] = round(model.size_mb, 2)
    reference = answers[first.path.name]
    if isinstance(said, str) or isinstance(reference, str):
        return {**known, "failure": said if isinstance(said, str) else reference}
    if seen[name].fault:
        return {**known, "failure": seen[name].fault}
    chosen, expected = said.argmax(axis=1), reference.argmax(axis=1)
    right = [model.labels[place] == label for place, label in zip(chosen, labels, strict=True)]
    # On a busy machine every run of a slow model is disturbed; none is left out then.
    pairs = process_pairs(seen[name].blocks, seen[first.path.name].blocks)
    mine = [own for own, _ in pairs]
    faster = ratio_interval([other for _, other in pairs], mine, 0.95)
    return {
        **known,
        "version": seen[name].runtime_version,
        "accuracy": round(float(np.mean(right)), 4),
        "agreement": round(float(np.mean(chosen == expected)), 4),
        "latency_p50_ms": round(float(np.median(np.concatenate(mine))), 4),
        "faster": {"value": faster.value, "lower": faster.lower, "upper": faster.upper},
    }


def table(result: Mapping[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| model | runtime | accuracy | same label | MB | text to label, p50 ms | times faster |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        _line(name, row) for group in result["models"].values() for name, row in group.items()
    ]
    return "\n".join(lines)


def _line(name: str, row: Mapping[str, Any]) -> str:
    start = f"| {name} | {row['runtime']} | "
    if "failure" in row:
        return f"{start}{row['failure']} |  | {row['size_mb']:.2f} |  |  |"
    value, lower, upper = (row["faster"][key] for key in ("value", "lower", "upper"))
    return (
        f"{start}{row['accuracy']:.2%} | {row['agreement']:.2%} | {row['size_mb']:.2f} |"
        f" {row['latency_p50_ms']:.2f} | {value:.2f} [{lower:.2f}, {upper:.2f}] |"
    )


if __name__ == "__main__":
    main()

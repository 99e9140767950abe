"""Make the peers' models and measure them beside the teacher's fp32 ONNX, to check that they work.

python -m benchmarks.peers.check --teacher FOLDER --train CSV --test CSV --out FOLDER

One interleaved session in one thread on the first --rows rows of the test file: the frontier's code
with fewer rows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from benchmarks.peers.make import PEERS, PeerModel, make_peers
from compress.data.dataset import DataSettings, load_labeled
from compress.data.rows import Rows
from compress.export.reference import open_reference
from compress.judge.evaluation import REFERENCE, Candidate, Evaluation, Measured
from compress.judge.judging import measure_and_judge
from compress.judge.validate import deployable
from compress.models.teacher import open_model
from compress.progress import Terminal
from compress.tasks import DEFAULT_TASK, TASKS, task_of
from profiles.job import Job
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import EdgepressError
from runtimes.runtime import runs_in

_DIGITS = {"artifact_mb": 1, "latency_p50_ms": 2, "speedup": 2}
"""The digits of the table's figures, 3 for the score; `–` where the samples do not support one."""


@click.command(context_settings={"show_default": True})
@click.option("--teacher", required=True, type=click.Path(path_type=Path))
@click.option("--train", required=True, type=click.Path(path_type=Path))
@click.option("--test", required=True, type=click.Path(path_type=Path))
@click.option("--text", default="text", help="The column of texts.")
@click.option("--label", default="label", help="The column of labels.")
@click.option("--task", default=DEFAULT_TASK, type=click.Choice(TASKS.names()))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The models go here.")
@click.option("--peer", "peers", multiple=True, type=click.Choice([*PEERS]), help="Default: all.")
@click.option("--rows", default=64, type=click.IntRange(1), help="Rows of the test file.")
def main(
    teacher: Path,
    train: Path,
    test: Path,
    text: str,
    label: str,
    task: str,
    out: Path,
    peers: tuple[str, ...],
    rows: int,
) -> None:
    """Make the peers' models and measure them beside the teacher's fp32 ONNX."""
    try:
        judged = DataSettings(train=(), test=(str(test),), text=text, label=label)
        labeled = judged.model_copy(update={"test": (str(train),)})
        made = make_peers(teacher, labeled, out, peers or None, task=task)
        source = open_model(str(teacher), task=task)
        known, _ = load_labeled(judged, Path(), source.labels, task_of(source.task))
        results = measured(made, source, Rows(known.inputs[:rows], known.targets[:rows]))
    except EdgepressError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    click.echo(table(made, results))


def measured(made: list[PeerModel], teacher: Artifact, rows: Rows) -> dict[str, Measured]:
    """Return the figures of the reference and of every existing model, by name."""
    with tempfile.TemporaryDirectory(prefix="edgepress-") as scratch:
        progress = Terminal()
        known = open_reference(str(teacher.path), teacher, Path(scratch), 7, progress)
        candidates = [deployable(REFERENCE, known)]
        candidates += [
            Candidate(row.name, read_artifact(row.path), runs_in(row.format))
            for row in made
            if row.runnable and row.path
        ]
        asked = Evaluation(candidates, REFERENCE, REFERENCE, rows, (), "quick", 7, threads=1)
        outcome = measure_and_judge(asked, device=Job(), progress=progress)
    return {row.candidate.name: row for row in outcome.measured}


def table(made: list[PeerModel], results: dict[str, Measured]) -> str:
    """Return one line for each model: MB, accuracy, p50 and speed-up, or its error."""
    score = task_of(results[REFERENCE].candidate.artifact.task).score_name
    head = ("MB", score, "p50 ms", "speed-up", "made in s")
    lines = [f"{'':<58}" + "".join(f"{cell:>10}" for cell in head)]
    lines.append(_line(REFERENCE, results[REFERENCE], ""))
    for row in made:
        if row.name in results:
            name = f"{row.name} ({row.version})"
            lines.append(_line(name, results[row.name], f"{row.seconds:.0f}"))
        else:
            why = row.error or f"format {row.format}, which no runtime loads"
            lines.append(f"{row.name}: {why}")
    return "\n".join(lines)


def _line(name: str, row: Measured, seconds: str) -> str:
    if row.samples.fault:
        return f"{name}: {row.samples.fault}"
    score = task_of(row.candidate.artifact.task).metric
    cells = [
        "–" if (value := row.value(metric)) is None else f"{value:.{_DIGITS.get(metric, 3)}f}"
        for metric in ("artifact_mb", score, "latency_p50_ms", "speedup")
    ]
    return f"{name:<58}" + "".join(f"{cell:>10}" for cell in (*cells, seconds))


if __name__ == "__main__":
    main()

"""Students beside what other tools make of the same teacher, in one session, for any peers' task.

python -m benchmarks.beside_peers STUDENT [STUDENT ...] --reference FOLDER --teacher FOLDER
    --task token-classification --train train.jsonl --test test.jsonl [--text tokens]
    [--label tags] [--text-pair text_pair] [--group id] [--peer onnxruntime …] [--tier ci]
    [--work FOLDER] [--json FILE]

STUDENT and --reference (the teacher's fp32 ONNX) are folders of a run, --teacher is its fine-tuned
model. Each peer quantizes the teacher in an environment of its own, calibrated on rows of --train
where it calibrates. All answer the test rows and are timed in one interleaved session, batch 1 at
the rows' real lengths, one thread, from text to answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.command import run
from benchmarks.frontier_rows import Contestant, figures, measured_together, table
from benchmarks.peers.make import make_peers
from compress.data.dataset import DataSettings, load_labeled
from compress.judge.evaluation import Outcome
from compress.judge.rivals import scores_of
from compress.progress import Terminal
from compress.tasks import task_of
from profiles.paired import paired_retention
from runtimes.artifact import read_artifact
from runtimes.tasks import TASKS

SEED = 7
_CONFIDENCE = 0.95
_PEERS = ("onnxruntime", "optimum", "nncf")


@click.command(context_settings={"show_default": True})
@click.argument("students", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--reference", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--teacher", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--task", default="text-classification", type=click.Choice(TASKS.names()))
@click.option("--train", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--test", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--text", default="text", help="The column of texts, or of words.")
@click.option("--label", default="label", help="The column of labels, or of the words' tags.")
@click.option("--text-pair", default="text_pair", help="The column of a pair's other texts.")
@click.option("--group", help="The column of the queries that candidates are ranked for.")
@click.option("--peer", "peers", multiple=True, type=click.Choice(_PEERS), help="All.")
@click.option("--tier", default="ci", type=click.Choice(("quick", "ci")))
@click.option("--work", default="peers", type=click.Path(path_type=Path), help="Peers' models.")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    students: tuple[Path, ...],
    reference: Path,
    teacher: Path,
    task: str,
    train: Path,
    test: Path,
    text: str,
    label: str,
    text_pair: str,
    group: str | None,
    peers: tuple[str, ...],
    tier: str,
    work: Path,
    json_file: Path | None,
) -> None:
    """Compare students with the peers' models of the same teacher."""

    def measure() -> dict[str, Any]:
        known = read_artifact(reference)
        settings = DataSettings(
            train=(),
            test=(str(test.resolve()),),
            text=text,
            text_pair=text_pair,
            label=label,
            group=group,
        )
        rows, _ = load_labeled(settings, Path(), known.labels, task_of(task))
        labeled = settings.model_copy(update={"test": (str(train.resolve()),)})
        made = make_peers(teacher, labeled, work, peers or _PEERS, task=task)
        models = [(one.name, one.version, one.path) for one in made if one.path and one.runnable]
        contestants = [
            Contestant("teacher, fp32 ONNX", "teacher", "", known),
            *(_student(folder) for folder in students),
            *(Contestant(name, "peer", of, read_artifact(path)) for name, of, path in models),
        ]
        outcome = measured_together(
            contestants, rows, tier=tier, seed=SEED, progress=Terminal(), shared=None
        )
        failed = [{"name": one.name, "error": one.error} for one in made if not one.path]
        return compared(contestants, outcome, rows.targets) | {"failed": failed}

    run(measure, report, json_file)


def _student(folder: Path) -> Contestant:
    name = "/".join(folder.resolve().parts[-2:])
    return Contestant(name, "artifact", "", read_artifact(folder))


def compared(
    contestants: Sequence[Contestant], outcome: Outcome, targets: Sequence[Any]
) -> dict[str, Any]:
    """Return each model's figures, by the score of the task; the first one is the teacher."""
    teacher = scores_of(outcome.of(contestants[0].name), targets)
    rows = []
    for one in contestants:
        measured = outcome.of(one.name)
        scores = scores_of(measured, targets)
        row = figures(one, measured) | {"accuracy": scores.metric if scores else None}
        if scores and teacher and one.role != "teacher":
            kept = paired_retention(scores, teacher, _CONFIDENCE, SEED)
            row["retention"] = asdict(kept)
        rows.append(row)
    return {"schema_version": 1, "rows": len(targets), "models": rows}


def report(result: Mapping[str, Any]) -> str:
    """Return the figures as Markdown, and which peers failed."""
    failed = [f"{one['name']}: {one['error']}" for one in result["failed"]]
    return "\n".join([table(result["models"]).replace("| accuracy |", "| score |"), *failed])


if __name__ == "__main__":
    main()

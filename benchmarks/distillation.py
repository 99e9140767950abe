"""Distill with edgepress and with transformers' Trainer, turn by turn on the same rows.

    python benchmarks/distillation.py --teacher FOLDER --train CSV --text COL --label COL

Every contestant is a process of its own, starts from the same student (evenly spaced layers of
the teacher), has the same loss, learning rate, schedule and batch size, and works an epoch
(training and validation) only when it is its turn, in an order that rotates: what else the
machine does hits all alike. The contestants are

    edgepress           the teacher's logits once, length buckets, embeddings in use, and a
                        checkpoint an epoch, which the others are spared
    trainer-max-length  Trainer with the teacher's forward in every step, every row padded to
                        --max-length: the recipe of most tutorials
    trainer-dynamic     the same, padded to the longest row of each batch
    trainer-cached      trainer-dynamic with the teacher's logits computed once

Validation rows are split off the training file; a test file is not read at all. Where the
teacher was trained on that whole file, it has seen the validation rows: its own accuracy there
is flattered, the contestants' comparison is not.

--json FILE holds `schema_version`, `rows` {train, validation}, `settings`, `machine`,
`teacher_accuracy`, `target_accuracy` (--target of the teacher's, or the best that every contestant
reached where that is less) and `contestants`, by name: `setup_s` and
`epoch_s` (medians over repeats and epochs), `slower` {value, lower, upper} (seconds an epoch
over edgepress's in the same round, the geometric mean of the rounds, one-sided 95 % bounds),
`best_accuracy`, `epochs_to_target` and `seconds_to_target` (setup included; medians over
repeats), `rss_peak_mb`, and `runs`, the raw turns.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from compress.data.dataset import Dataset, DataSettings, load_dataset
from compress.data.rows import Rows
from compress.models.teacher import open_model
from compress.tasks import task_of
from profiles.statistics import ratio_interval
from runtimes.artifact import Artifact
from runtimes.errors import EdgepressError, InputError
from runtimes.files import write_json

OURS = "edgepress"
NAMES = (OURS, "trainer-max-length", "trainer-dynamic", "trainer-cached")
_WORKER = Path(__file__).with_name("distillation_recipe.py")
_ABSENT = (
    "Banking77 is in PolyAI's task-specific-datasets repository (banking_data/train.csv,"
    " columns text and category; CC BY 4.0)"
)

Turn = Mapping[str, Any]
Runs = Mapping[str, Sequence[Sequence[Turn]]]
"""Each contestant's turns, one list for each repeat: the setup first, then the epochs."""


@click.command(context_settings={"show_default": True})
@click.option("--teacher", required=True, metavar="FOLDER", help="A fine-tuned classifier.")
@click.option("--train", required=True, metavar="CSV", help="Labeled rows.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--label", default="label", help="The column of labels.")
@click.option("--layers", default=2, type=click.IntRange(1), help="Layers of the student.")
@click.option("--epochs", default=5, type=click.IntRange(2), help="Epochs of each contestant.")
@click.option("--repeats", default=1, type=click.IntRange(1), help="Whole runs, a seed each.")
@click.option("--rows", type=click.IntRange(32), help="Train on so many rows only.")
@click.option("--learning-rate", default=4e-4, type=click.FloatRange(0, 1, min_open=True))
@click.option("--batch-size", default=32, type=click.IntRange(1))
@click.option("--temperature", default=4.0, type=click.FloatRange(0, 100, min_open=True))
@click.option("--alpha", default=0.9, type=click.FloatRange(0, 1))
@click.option("--max-length", default=128, type=click.IntRange(8), help="Tokens at most.")
@click.option("--target", default=0.95, type=click.FloatRange(0, 1), help="Share of the teacher.")
@click.option("--seed", default=7)
@click.option("--threads", default=os.cpu_count() or 1, type=click.IntRange(1))
@click.option("--quick", is_flag=True, help="96 rows and 2 epochs: a check, not a result.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(json_file: Path | None, quick: bool, **options: Any) -> None:
    """Distill with edgepress and with transformers' Trainer, turn by turn on the same rows."""
    if quick:
        options |= {"rows": 96, "epochs": 2}
    try:
        if json_file is not None and not json_file.resolve().parent.is_dir():
            raise InputError(f"--json {json_file}: no such folder", action="make the folder first")
        comparison = compare(**options)
    except EdgepressError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    if json_file is not None:
        write_json(json_file, comparison)
    click.echo(table(comparison))


def compare(*, repeats: int, threads: int, target: float, **options: Any) -> dict[str, Any]:
    """Run every contestant and return the figures of the module's docstring."""
    if not Path(options["train"]).is_file():
        raise InputError(f"--train {options['train']}: no such file", action=_ABSENT)
    teacher = open_model(
        options["teacher"], task="text-classification", max_length=options["max_length"]
    )
    data = _rows(options, teacher)
    runs: dict[str, list[list[Turn]]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory(prefix="edgepress-distillation-") as folder:
        student = _student(teacher, options["layers"], Path(folder) / "student")
        for repeat in range(repeats):
            jobs = _jobs(options, teacher, student, data, Path(folder) / str(repeat), repeat)
            for name, turns in _race(jobs, options["epochs"], threads, repeat).items():
                runs[name].append(turns)
    reference = _accuracy(teacher, data)
    return {
        "schema_version": 1,
        "rows": {"train": len(data.train), "validation": len(data.validation)},
        "settings": options | {"repeats": repeats, "target": target},
        "machine": _machine(threads),
        "teacher_accuracy": round(reference, 4),
        **summarize(runs, target * reference),
    }


def _rows(options: Mapping[str, Any], teacher: Artifact) -> Dataset:
    settings = DataSettings(
        train=options["train"], text=options["text"], label=options["label"], test_share=0.01
    )
    task = task_of(teacher.task)
    data = task.aligned(load_dataset(settings, Path(), options["seed"], task), teacher.labels)
    wanted = options["rows"]
    if wanted is None:
        return data
    return dataclasses.replace(
        data,
        train=_some(data.train, wanted, options["seed"]),
        validation=_some(data.validation, max(wanted // 2, 32), options["seed"]),
    )


def _some(rows: Rows, wanted: int, seed: int) -> Rows:
    picked = np.random.default_rng(seed).permutation(len(rows))[:wanted]
    return Rows(tuple(rows.inputs[i] for i in picked), tuple(rows.targets[i] for i in picked))


def _student(teacher: Artifact, layers: int, folder: Path) -> Path:
    """Write evenly spaced layers of the teacher, with its tokenizer, as every start."""
    from compress.models.layers import evenly_spaced, keep_layers
    from compress.models.torch_model import load_model, save_model

    model = load_model(teacher.path, teacher.task)
    keep_layers(model, evenly_spaced(model.config.num_hidden_layers, layers))
    folder.mkdir()
    save_model(model, teacher, folder)
    return folder


def _jobs(
    options: Mapping[str, Any],
    teacher: Artifact,
    student: Path,
    data: Dataset,
    folder: Path,
    repeat: int,
) -> dict[str, Path]:
    """Write each contestant's job file."""
    folder.mkdir()
    shared = {
        key: options[key]
        for key in ("epochs", "learning_rate", "batch_size", "temperature", "alpha")
    }
    shared |= {"teacher": str(teacher.path), "student": str(student), "labels": data.labels}
    shared |= {"max_length": teacher.max_length, "seed": options["seed"] + repeat}
    for name in ("train", "validation"):
        shared[name] = dataclasses.asdict(getattr(data, name))
    jobs = {}
    for name in NAMES:
        jobs[name] = folder / f"{name}.json"
        write_json(jobs[name], shared | {"recipe": name, "scratch": str(folder / name)})
    return jobs


def _race(
    jobs: Mapping[str, Path], epochs: int, threads: int, repeat: int
) -> dict[str, list[Turn]]:
    """Grant the turns, in an order that rotates by one each round."""
    runners = {name: _start(job, threads) for name, job in jobs.items()}
    turns: dict[str, list[Turn]] = {name: [] for name in jobs}
    try:
        for number in range(epochs + 1):
            shift = (number + repeat) % len(NAMES)
            for name in (*NAMES[shift:], *NAMES[:shift]):
                turns[name].append(_turn(name, runners[name]))
                _tell(name, number, turns[name][-1])
        for runner in runners.values():
            runner.communicate()
    finally:
        for runner in runners.values():
            runner.kill()
            runner.communicate()
    return turns


def _start(job: Path, threads: int) -> subprocess.Popen[str]:
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return subprocess.Popen(
        [sys.executable, str(_WORKER), str(job)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def _turn(name: str, runner: subprocess.Popen[str]) -> Turn:
    assert runner.stdin is not None
    assert runner.stdout is not None
    try:
        runner.stdin.write("go\n")
        runner.stdin.flush()
        line = runner.stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        raise EdgepressError(
            f"{name} ended early (exit {runner.wait()})", action="its own message stands above"
        )
    turn: Turn = json.loads(line)
    return turn


def _tell(name: str, number: int, turn: Turn) -> None:
    what = "setup" if number == 0 else f"epoch {number}"
    reached = "" if turn["accuracy"] is None else f", validation {turn['accuracy']:.2%}"
    click.echo(f"{what}: {name} {turn['seconds']:.1f} s{reached}", err=True)


def _accuracy(teacher: Artifact, data: Dataset) -> float:
    from compress.models.torch_model import load_model
    from compress.training.batches import encode
    from compress.training.loop import answers_of
    from runtimes.tokenizing import load_tokenizer

    model = load_model(teacher.path, teacher.task)
    tokenizer = load_tokenizer(teacher.path, teacher.max_length)
    task = task_of(teacher.task)
    rows = encode(tokenizer, data.validation.inputs, model.config, task)
    return task.evaluate(answers_of(model, rows, task), data.validation.targets, data.labels)[0]


def _machine(threads: int) -> dict[str, Any]:
    tools = ("torch", "transformers", "accelerate", "edgepress")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "tools": {name: version(name) for name in tools},
    }


def summarize(runs: Runs, wanted: float) -> dict[str, Any]:
    """Return target and figures of each contestant from all turns."""
    best = {
        name: [max(turn["accuracy"] for turn in turns[1:]) for turns in repeats]
        for name, repeats in runs.items()
    }
    target = min(wanted, *(min(values) for values in best.values()))
    contestants = {
        name: _figures(repeats, runs[OURS], target)
        | {"best_accuracy": round(median(best[name]), 4)}
        for name, repeats in runs.items()
    }
    return {"target_accuracy": round(target, 4), "contestants": contestants}


def _figures(
    repeats: Sequence[Sequence[Turn]], ours: Sequence[Sequence[Turn]], target: float
) -> dict[str, Any]:
    seconds = _epochs(repeats)
    slower = ratio_interval([[s] for s in seconds], [[s] for s in _epochs(ours)], 0.95)
    needed = [
        next(number for number, turn in enumerate(turns) if (turn["accuracy"] or -1) >= target)
        for turns in repeats
    ]
    spent = [
        sum(turn["seconds"] for turn in turns[: epochs + 1])
        for turns, epochs in zip(repeats, needed, strict=True)
    ]
    return {
        "setup_s": median(turns[0]["seconds"] for turns in repeats),
        "epoch_s": median(seconds),
        "slower": {"value": slower.value, "lower": slower.lower, "upper": slower.upper},
        "epochs_to_target": median(needed),
        "seconds_to_target": median(spent),
        "rss_peak_mb": max(turn["rss_peak_mb"] for turns in repeats for turn in turns),
        "runs": [list(turns) for turns in repeats],
    }


def _epochs(repeats: Sequence[Sequence[Turn]]) -> list[float]:
    return [turn["seconds"] for turns in repeats for turn in turns[1:]]


def table(result: Mapping[str, Any]) -> str:
    """Return the figures as an aligned table."""
    head = ("", "setup s", "epoch s", "× edgepress", "best acc.", "epochs", "s to target", "MB")
    lines = [head]
    for name, row in result["contestants"].items():
        slower = row["slower"]
        lines.append(
            (
                name,
                f"{row['setup_s']:.1f}",
                f"{row['epoch_s']:.1f}",
                f"{slower['value']:.2f} ({slower['lower']:.2f}–{slower['upper']:.2f})",
                f"{row['best_accuracy']:.2%}",
                f"{row['epochs_to_target']:g}",
                f"{row['seconds_to_target']:.1f}",
                f"{row['rss_peak_mb']:.0f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = result["rows"]
    title = (
        f"{rows['train']} rows, {rows['validation']} for validation; the teacher has"
        f" {result['teacher_accuracy']:.2%} there, the target is {result['target_accuracy']:.2%}"
    )
    body = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return "\n".join([title, *body])


if __name__ == "__main__":
    main()

"""Time what a user waits for: a text in, its label out, beside the model's own share of it.

python -m benchmarks.text_to_label --texts CSV --text COL REFERENCE MODEL [MODEL ...]

Each folder is an artifact or a bundle. All of them answer the same texts, one at a time, one
thread, in fresh processes of their own (`--rounds`); within a round they run one after the other,
in an order that changes from round to round. "Text to label" is what a bundle does: tokenize, make
arrays, run, name the label. "Run" is the model alone, on rows that were tokenized before.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import click

from profiles.statistics import ratio_interval

_WARM_UP = 20
_PROCESS = (
    "import benchmarks.text_to_label as b, json, sys; print(json.dumps(b.times(*sys.argv[1:])))"
)

Times = dict[str, list[float]]
"""Seconds of each text: `whole`, from text to label, and `run`, of the model alone."""


@click.command(context_settings={"show_default": True})
@click.argument("folders", nargs=-1, required=True, metavar="REFERENCE MODEL...")
@click.option("--texts", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--text", default="text", help="The column of texts.")
@click.option("--rows", default=300, type=click.IntRange(20), help="The first so many texts.")
@click.option("--rounds", default=8, type=click.IntRange(2), help="Fresh processes of each.")
def main(folders: tuple[str, ...], texts: Path, text: str, rows: int, rounds: int) -> None:
    """Print each model's median times and how much faster than the reference it is."""
    rounds_of: dict[str, list[Times]] = {folder: [] for folder in folders}
    for number in range(rounds):
        turn = number % len(folders)
        for folder in (*folders[turn:], *folders[:turn]):
            rounds_of[folder].append(_in_a_process(folder, str(texts), text, str(rows)))
    for line in table(rounds_of):
        click.echo(line)


def table(rounds_of: Mapping[str, Sequence[Times]]) -> list[str]:
    """Return a Markdown table: medians in ms, and the reference's time over each one's.

    The ratios have one-sided 95 % bounds, of the processes as rounds.
    """
    reference = next(iter(rounds_of.values()))
    lines = ["| model | run ms | text to label ms | run | text to label |", "|---|---|---|---|---|"]
    for folder, rounds in rounds_of.items():
        medians = [f"{_median_ms(rounds, kind):.3f}" for kind in ("run", "whole")]
        faster = [_faster(reference, rounds, kind) for kind in ("run", "whole")]
        lines.append("| " + " | ".join((Path(folder).name, *medians, *faster)) + " |")
    return lines


def times(folder: str, texts: str, column: str, rows: str) -> Times:
    """Time one model in this process, once it is warm."""
    from runtimes.predict import open_predictor

    with Path(texts).open(encoding="utf-8", newline="") as stream:
        chosen = [row[column] for row in islice(csv.DictReader(stream), int(rows))]
    predictor = open_predictor(Path(folder))
    return {
        "whole": _seconds(
            lambda text: predictor.task.shown(predictor.answer(text), text, 0), chosen
        ),
        "run": _seconds(predictor.infer, [predictor.feeds(text) for text in chosen]),
    }


def _in_a_process(*arguments: str) -> Times:
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        raise click.ClickException(done.stderr.strip()[-500:])
    measured: Times = json.loads(done.stdout)
    return measured


def _seconds(work: Callable[[Any], object], rows: Sequence[Any]) -> list[float]:
    for row in rows[:_WARM_UP]:
        work(row)
    seconds = []
    for row in rows:
        begun = time.perf_counter()
        work(row)
        seconds.append(time.perf_counter() - begun)
    return seconds


def _median_ms(rounds: Sequence[Times], kind: str) -> float:
    return 1000 * median(second for row in rounds for second in row[kind])


def _faster(reference: Sequence[Times], rounds: Sequence[Times], kind: str) -> str:
    slow, fast = ([row[kind] for row in side] for side in (reference, rounds))
    ratio = ratio_interval(slow, fast, 0.95)
    return f"{ratio.value:.1f}× [{ratio.lower:.1f}, {ratio.upper:.1f}]"


if __name__ == "__main__":
    main()

"""What a stacked batch would gain a server, and which answers it would change.

python -m benchmarks.batching MODEL --texts CSV --text COL

Texts of equal length in tokens are answered one by one and as one batch, without padding, in turns.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from benchmarks.command import run
from profiles.statistics import mean_interval
from runtimes.predict import Predictor, open_predictor

_CONFIDENCE = 0.95


@click.command(context_settings={"show_default": True})
@click.argument("model", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--texts", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--text", default="text", help="The column of texts.")
@click.option("--rows", default=500, type=click.IntRange(2), help="The first so many texts.")
@click.option("--size", default=8, type=click.IntRange(2), help="Texts a batch.")
@click.option("--rounds", default=10, type=click.IntRange(2))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures.")
def main(json_file: Path | None, **settings: Any) -> None:
    """Print a batch's gain over single texts, and the answers that it changes."""
    run(lambda: measured(**settings), table, json_file)


def measured(
    model: Path, texts: Path, text: str, rows: int, size: int, rounds: int
) -> dict[str, Any]:
    """Answer in both ways in each round; return the ratio of times and the changed answers."""
    with texts.open(encoding="utf-8", newline="") as stream:
        chosen = [row[text] for row in islice(csv.DictReader(stream), rows)]
    predictor = open_predictor(model)
    groups = list(_groups(predictor, chosen, size))
    ratios, changed, largest = [], 0, 0.0
    for _ in range(rounds):
        times = []
        answers = []
        for way in (_alone, _stacked):
            began = time.perf_counter()
            answers.append([one for group in groups for one in way(predictor, group)])
            times.append(time.perf_counter() - began)
        ratios.append(times[0] / times[1])
        pairs = list(zip(*answers, strict=True))
        changed = sum(one != other for one, other in pairs)
        largest = max(abs(one["score"] - other["score"]) for one, other in pairs)
    gain = mean_interval(ratios, _CONFIDENCE)
    return {
        "model": model.name,
        "size": size,
        "texts": len(groups) * size,
        "gain": {"value": gain.value, "lower": gain.lower, "upper": gain.upper},
        "changed": changed,
        "largest_score_difference": largest,
    }


def _groups(predictor: Predictor, texts: Sequence[str], size: int) -> Iterator[list[str]]:
    """Yield whole groups of texts with equally many tokens."""
    by_length: dict[tuple[Any, ...], list[str]] = {}
    for text in texts:
        feeds = predictor.task.feeds(text)
        group = by_length.setdefault(tuple(tensor.shape for tensor in feeds.values()), [])
        group.append(text)
        if len(group) == size:
            yield list(group)
            group.clear()


def _alone(predictor: Predictor, texts: Sequence[str]) -> list[dict[str, Any]]:
    return [predictor.task.shown(predictor.answer(text), text, 0) for text in texts]


def _stacked(predictor: Predictor, texts: Sequence[str]) -> list[dict[str, Any]]:
    task = predictor.task
    feeds = [task.feeds(text) for text in texts]
    outputs = predictor.infer(task.batch(feeds))
    answers = []
    for place, text in enumerate(texts):
        own = {name: values[place : place + 1] for name, values in outputs.items()}
        answers.append(task.shown(task.answer(own, feeds[place]), text, 0))
    return answers


def table(result: Mapping[str, Any]) -> str:
    """Return one line for people."""
    gain = result["gain"]
    return (
        f"{result['model']}: batches of {result['size']} answer {gain['value']:.2f}"
        f" [{gain['lower']:.2f}, {gain['upper']:.2f}] times as many texts in a time, and change"
        f" {result['changed']} of {result['texts']} answers, scores by up to"
        f" {result['largest_score_difference']:.4f}"
    )


if __name__ == "__main__":
    main()

"""The latency of a reranker on one query with k candidates: encoded and answered as one batch.

python -m benchmarks.rerank MODEL [MODEL ...] --data ranking/test.csv [--candidates 50]
    [--queries 100] [--threads 1] [--json FILE]

Each query of the file is timed with so many texts of the file, from the texts to all scores. The
models take turns query by query, so that both meet the same machine. MODEL is an exported artifact
or a bundle of a task of pairs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command import run
from compress.data.reading import read_table
from runtimes.errors import UnsupportedError
from runtimes.pairs import PAIR
from runtimes.predict import Predictor, open_predictor
from runtimes.tasks import keys_of


@click.command(context_settings={"show_default": True})
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--data", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--candidates", default=50, type=click.IntRange(1))
@click.option("--queries", default=100, type=click.IntRange(1))
@click.option("--threads", default=1, type=click.IntRange(0))
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    models: tuple[Path, ...],
    data: Path,
    candidates: int,
    queries: int,
    threads: int,
    json_file: Path | None,
) -> None:
    """Time each model on the same queries."""
    run(lambda: measure(models, data, candidates, queries, threads), _table, json_file)


def measure(
    models: Sequence[Path], data: Path, candidates: int, queries: int, threads: int
) -> dict[str, Any]:
    """Return each model's median and 90th percentile in ms of a query with its candidates.

    Raises UnsupportedError for a model that does not read pairs.
    """
    predictors = [_opened(model, threads) for model in models]
    rows = read_table(data.name, data.parent, PAIR).rows
    asked = list(islice(cycle(dict.fromkeys(query for query, _ in rows)), queries))
    texts = cycle([text for _, text in rows])
    took_ms: list[list[float]] = [[] for _ in models]
    for query in asked:
        pairs = [dict(zip(PAIR, (query, next(texts)), strict=True)) for _ in range(candidates)]
        for place, predictor in enumerate(predictors):
            _rank(predictor, pairs)  # warm: the other model had the caches
            began = time.perf_counter()
            _rank(predictor, pairs)
            took_ms[place].append((time.perf_counter() - began) * 1e3)
    return {
        "candidates": candidates,
        "queries": queries,
        "threads": threads,
        "models": [
            {"model": str(model), **_quantiles(times)}
            for model, times in zip(models, took_ms, strict=True)
        ],
    }


def _opened(model: Path, threads: int) -> Predictor:
    predictor = open_predictor(model, threads=threads)
    if keys_of(predictor.task) != PAIR:
        raise UnsupportedError(
            f"{model}: a model for {predictor.task.name}",
            expected="a model that reads a query and a text, such as text-ranking",
            action="name another model",
        )
    return predictor


def _rank(predictor: Predictor, pairs: Sequence[Mapping[str, str]]) -> None:
    """Encode and answer all pairs in one batch."""
    predictor.infer(predictor.task.batch([predictor.feeds(pair) for pair in pairs]))


def _quantiles(times_ms: Sequence[float]) -> dict[str, float]:
    p50, p90 = np.quantile(times_ms, [0.5, 0.9])
    return {"p50_ms": round(float(p50), 3), "p90_ms": round(float(p90), 3)}


def _table(result: Mapping[str, Any]) -> str:
    lines = [f"{'model':<48}{'p50 ms':>10}{'p90 ms':>10}   1 × {result['candidates']}"]
    for row in result["models"]:
        lines.append(f"{row['model'][-46:]:<48}{row['p50_ms']:>10.2f}{row['p90_ms']:>10.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Vectors of edgepress's students beside those of model2vec, distilled from the same teacher.

python -m benchmarks.vectors STUDENT [STUDENT ...] --reference FOLDER --teacher FOLDER
    --data test.jsonl [--width 256] [--json FILE]

--reference is the teacher's exported artifact, --teacher its sentence-transformers folder, which
model2vec distils in an environment of its own. Each text is embedded alone and searched among the
others of the file. The table has each model's nearest-neighbour accuracy and nDCG@10 with what they
keep of the reference's, and each student's ratio to model2vec, on the same rows, with 95 % bounds
on each side. Latencies are from text to vector, one thread, each model in its own process one after
the other: they are no paired timings (`edgepress gate` times a student beside its reference).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command import run
from benchmarks.peers.environments import interpreter, surroundings
from benchmarks.peers.job import last_line
from compress.data.reading import read_table
from compress.places import cache_root
from compress.tasks.embedding_scores import Found, Vectors, search
from profiles.paired import paired_retention
from profiles.scores import RowScores
from runtimes.artifact import open_artifact
from runtimes.errors import BackendError
from runtimes.predict import open_predictor

RIVAL = "model2vec"
_METRICS = ("nearest_neighbour_accuracy", "ndcg_at_10")
_CONFIDENCE, _SEED = 0.95, 7


@dataclass(frozen=True, slots=True)
class Embedded:
    """Hold a model's vectors of all texts, and the ms that each text took."""

    name: str
    size_mb: float
    vectors: Vectors
    latency_ms: Sequence[float]


@click.command(context_settings={"show_default": True})
@click.argument("students", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--reference", required=True, type=click.Path(path_type=Path))
@click.option("--teacher", required=True, type=click.Path(path_type=Path))
@click.option("--data", required=True, metavar="FILE", help="Texts with labels.")
@click.option("--text", default="text", help="The column of texts.")
@click.option("--label", default="label", help="The column of labels.")
@click.option("--width", default=256, type=click.IntRange(2), help="Of model2vec's vectors.")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    students: tuple[Path, ...],
    reference: Path,
    teacher: Path,
    data: str,
    text: str,
    label: str,
    width: int,
    json_file: Path | None,
) -> None:
    """Compare students and model2vec's distillation of the same teacher."""

    def measure() -> dict[str, Any]:
        rows = read_table(data, Path(), (text, label)).rows
        texts = [row[0] for row in rows]
        models = [embedded(folder, texts) for folder in (reference, *students)]
        rival = _rival(teacher, width, texts)
        return compared(models[0], models[1:], rival, [row[1] for row in rows])

    run(measure, table, json_file)


def embedded(folder: Path, texts: Sequence[str]) -> Embedded:
    """Embed each text alone with an artifact or a bundle."""
    predictor = open_predictor(folder, threads=1)
    vectors = [predictor.answer(one) for one in texts]  # also warms up
    latencies_ms = []
    for one in texts:
        start = time.perf_counter_ns()
        predictor.answer(one)
        latencies_ms.append((time.perf_counter_ns() - start) / 1e6)
    size_mb = open_artifact(folder).size_mb
    name = "/".join(folder.resolve().parts[-2:])
    return Embedded(name, size_mb, np.asarray(vectors, dtype=np.float32), latencies_ms)


def _rival(teacher: Path, width: int, texts: Sequence[str]) -> Embedded:
    """Distil with model2vec; raise BackendError where that fails."""
    python = interpreter(RIVAL, cache_root() / "peers")
    with tempfile.TemporaryDirectory(prefix="edgepress-") as scratch:
        folder = Path(scratch)
        asked = folder / "texts.json"
        asked.write_text(json.dumps(list(texts)), encoding="utf-8")
        module = "benchmarks.peers.model2vec_vectors"
        done = subprocess.run(
            [str(python), "-m", module, str(teacher.resolve()), str(width), str(asked), scratch],
            env={**surroundings(), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise BackendError(
                f"{RIVAL} ended with {done.returncode}: {last_line(done.stdout)}",
                action="check that --teacher is a sentence-transformers folder",
            )
        files = [file for file in (folder / "model").rglob("*") if file.is_file()]
        return Embedded(
            f"{RIVAL}, {width} wide",
            sum(file.stat().st_size for file in files) / 1e6,
            np.load(folder / "vectors.npy"),
            json.loads((folder / "latency_ms.json").read_text(encoding="utf-8")),
        )


def compared(
    reference: Embedded, students: Sequence[Embedded], rival: Embedded, targets: Sequence[str]
) -> dict[str, Any]:
    """Return each model's scores, and their ratios to the reference's and to model2vec's."""
    scores = {
        id(one): _scores(search(one.vectors, targets)) for one in (reference, *students, rival)
    }

    def row(one: Embedded, others: Mapping[str, Embedded]) -> dict[str, Any]:
        own = scores[id(one)]
        ratios = {
            f"{name}_{kind}": _ratio(own[name], scores[id(other)][name])
            for kind, other in others.items()
            for name in _METRICS
        }
        return {
            "name": one.name,
            "size_mb": round(one.size_mb, 2),
            "latency_p50_ms": round(statistics.median(one.latency_ms), 4),
            **{name: own[name].metric for name in _METRICS},
            **ratios,
        }

    kept = {"retention": reference}
    beside = {**kept, f"vs_{RIVAL}": rival}
    models = [row(reference, {}), *(row(one, beside) for one in students), row(rival, kept)]
    return {"schema_version": 1, "rows": len(targets), "models": models}


def _scores(found: Found) -> dict[str, RowScores]:
    return dict(zip(_METRICS, (found.nearest_right(), found.ndcg()), strict=True))


def _ratio(own: RowScores, other: RowScores) -> dict[str, Any]:
    return asdict(paired_retention(own, other, _CONFIDENCE, _SEED))


def table(result: Mapping[str, Any]) -> str:
    """Return the figures as Markdown."""
    kinds = [f"{name}_{kind}" for kind in ("retention", f"vs_{RIVAL}") for name in _METRICS]
    heads = ["model", "MB", "text to vector, p50 ms", *_METRICS, *kinds]
    lines = [" | ".join(heads), "|".join(["---"] * len(heads))]
    for one in result["models"]:
        cells = [one["name"], f"{one['size_mb']:.1f}", f"{one['latency_p50_ms']:.3f}"]
        cells += [f"{one[name]:.1%}" for name in _METRICS]
        cells += [_percent(one.get(name)) for name in kinds]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _percent(ratio: Mapping[str, float] | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio['value']:.1%} [{ratio['lower']:.1%}, {ratio['upper']:.1%}]"


if __name__ == "__main__":
    main()

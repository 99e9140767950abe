"""Why a model takes so much memory: what a process holds after each step."""

from __future__ import annotations

from dataclasses import dataclass

from compress.explain.explanation import Column, Explanation, Table, percent
from compress.explain.question import Question, runtime_of, sample
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError
from runtimes.samples import Variant

_ROWS = 200
_WHAT = {
    "interpreter": "Python and the bundle's code",
    "imports": "numpy, tokenizers and the runtime's libraries",
    "session": "weights, their packed copies and the graph: fewer or smaller weights",
    "tokenizer": "the vocabulary: prune it",
    "first inference": "activations and the kernels' buffers: a shorter max_length",
    "all rows": "buffers that grew with longer texts: a shorter max_length",
}


@dataclass(frozen=True, slots=True)
class Held:
    """Hold the memory of a process after a step, in MB (10^6 bytes); `file_mb` is mapped files."""

    step: str
    rss_mb: float
    peak_mb: float
    file_mb: float


def explain(question: Question) -> Explanation:
    """Find the step that adds the most memory to a process.

    figures: rss_peak_mb (the highest), rss_mb (at the end), file_mb (mapped files, shared by
    processes that map the same files), model_mb (on disk), the largest step's name and its share of
    the memory held at the end. tables: steps. Raises UnsupportedError without Linux's /proc.
    """
    if not question.device.facts().kernel.startswith("Linux"):
        raise UnsupportedError(
            "memory by step is read from /proc/self/status, which is missing here",
            expected="Linux",
            action="measure it on a Linux machine",
        )
    texts = sample(question.texts(), _ROWS)
    held_rows = held(question.artifact, texts, question)
    other = held(question.reference, texts, question) if question.reference else []
    added = dict(zip((row.step for row in held_rows), _added(held_rows), strict=True))
    largest = max(added, key=lambda step: added[step])
    last = held_rows[-1]
    share = added[largest] / last.rss_mb
    return Explanation(
        answer=f"{last.peak_mb:.0f} MB at the highest; {added[largest]:.0f} MB"
        f" ({percent(share)} of what is held) come with the step {largest}: {_WHAT[largest]}",
        figures={
            "rss_peak_mb": last.peak_mb,
            "rss_mb": last.rss_mb,
            "file_mb": last.file_mb,
            "model_mb": question.artifact.size_mb,
            "largest": largest,
            "largest_share": share,
        },
        tables=(_table(held_rows, other),),
        notes=(
            f"one fresh process, {len(texts)} rows; {last.file_mb:.0f} MB are mapped files,"
            " which several processes share",
        ),
    )


def held(artifact: Artifact, texts: list[str], question: Question) -> list[Held]:
    """Load a model in a fresh process and return the memory held after each step.

    Raises BackendError when the process fails or does not reply in time.
    """
    variant = Variant("model", artifact, runtime_of(artifact), question.threads)
    return [Held(**row) for row in question.device.memory(variant, texts)]


def _table(own: list[Held], other: list[Held]) -> Table:
    theirs: list[float | None] = [*_added(other)] if other else [None] * len(own)
    rows = [
        (row.step, added, row.rss_mb, row.peak_mb, row.file_mb, their)
        for row, added, their in zip(own, _added(own), theirs, strict=True)
    ]
    columns = (
        *(Column("step", "after"), Column("added_mb", "added MB", "+.1f")),
        *(Column("rss_mb", "held MB", ".1f"), Column("peak_mb", "highest MB", ".1f")),
        Column("file_mb", "files MB", ".1f"),
        Column("reference_added_mb", "reference added MB", "+.1f"),
    )
    return Table("steps", "what a process holds", columns, tuple(rows))


def _added(rows: list[Held]) -> list[float]:
    before = [0.0, *(row.rss_mb for row in rows)]
    return [row.rss_mb - last for row, last in zip(rows, before[:-1], strict=True)]

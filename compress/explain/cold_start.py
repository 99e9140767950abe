"""Why a model takes so long to its first result: the steps of fresh processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compress.explain.explanation import Column, Explanation, Table, percent
from compress.explain.question import Question, runtime_of
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError
from runtimes.measure import MeasurePlan, Variant, expected_runs
from runtimes.samples import ColdStart, Samples

_STARTS = 9
_STEPS = {
    "interpreter": "Python itself; keep the process alive between requests",
    "imports": "numpy, tokenizers and the runtime; compile their bytecode beforehand "
    "(python -m compileall) and leave out what is not imported",
    "load": "tokenizer.json; prune the vocabulary, which makes it smaller",
    "session": "reading and optimizing the graph; ship it optimized (ONNX Runtime: "
    "optimized_model_filepath or the ORT format, OpenVINO: CACHE_DIR), or make the model smaller",
    "first_result": "the first inference allocates what later ones reuse; fewer and smaller layers",
}
"""Each step: its content and how to shorten it."""
_REST = "other"
"""The rest: reading the bundle's own code, and waiting for the first text."""


def explain(question: Question) -> Explanation:
    """Find the longest step of a cold start, by the medians of fresh processes.

    figures: cold_start_p50_ms, starts, cached (whether the files were in the page cache), read_mb
    (read from storage by a start, null where unknown), the longest step's name and its share.
    tables: steps; with a reference, its medians too. Raises UnsupportedError where the metric needs
    an empty page cache and it cannot be emptied.
    """
    cached = "uncached" not in question.metric
    starts = _starts(question.artifact, question, cached)
    total = _median(starts, "total")
    longest = max(_STEPS, key=lambda step: _median(starts, step))
    share = _median(starts, longest) / total
    other = _starts(question.reference, question, cached) if question.reference else ()
    reads = [start.read_mb for start in starts if start.read_mb is not None]
    return Explanation(
        answer=f"{total:.0f} ms at the median, {percent(share)} of it in the step {longest}: "
        f"{_STEPS[longest]}",
        figures={
            "cold_start_p50_ms": total,
            "starts": len(starts),
            "cached": cached,
            "read_mb": float(np.median(reads)) if reads else None,
            "longest": longest,
            "longest_share": share,
        },
        tables=(_steps(starts, other),),
        notes=(
            f"{len(starts)} fresh processes, their files "
            + ("in the page cache" if cached else "read from storage"),
        ),
    )


def _starts(artifact: Artifact, question: Question, cached: bool) -> Sequence[ColdStart]:
    variant = Variant("model", artifact, runtime_of(artifact), question.threads)
    plan = MeasurePlan(
        processes=0,
        # The first start reads the files into the page cache and is not counted.
        cold_starts=_STARTS + 1 if cached else 0,
        uncached_starts=0 if cached else _STARTS,
    )
    with question.progress.task("cold start", expected_runs(1, plan)) as advance:
        measured = question.device.measure([variant], question.texts(), plan, advance=advance)
    samples = measured["model"]
    samples.raise_fault()
    return samples.cold_starts[1:] if cached else _uncached(samples)


def _uncached(samples: Samples) -> Sequence[ColdStart]:
    if not samples.uncached_starts:
        raise UnsupportedError(
            f"no start with its files read from storage: {samples.uncached_why}",
            action="explain cold_start_p50_ms, with the files in the page cache",
        )
    return samples.uncached_starts


def _steps(starts: Sequence[ColdStart], other: Sequence[ColdStart]) -> Table:
    total = _median(starts, "total")
    rows = [
        (
            *(step, _median(starts, step), _median(starts, step) / total),
            *(max(_values(starts, step)), _median(other, step) if other else None),
        )
        for step in (*_STEPS, _REST)
    ]
    columns = (
        *(Column("step", "step"), Column("median_ms", "median ms", ".1f")),
        *(Column("share", "share", "%"), Column("slowest_ms", "slowest ms", ".1f")),
        Column("reference_ms", "reference ms", ".1f"),
    )
    return Table("steps", "from the process's start to its first result", columns, tuple(rows))


def _values(starts: Sequence[ColdStart], step: str) -> list[float]:
    if step == _REST:
        named = [_values(starts, name) for name in _STEPS]
        return [
            total - sum(parts)
            for total, *parts in zip(_values(starts, "total"), *named, strict=True)
        ]
    return [float(getattr(start, f"{step}_ms")) for start in starts]


def _median(starts: Sequence[ColdStart], step: str) -> float:
    return float(np.median(_values(starts, step)))

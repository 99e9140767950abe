"""Compare a chosen model with its rivals, which were measured in the same session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from compress.judge.evaluation import Measured
from compress.judge.evidence import estimate
from compress.report.schema import Estimate, RivalRow
from compress.tasks import task_of
from profiles.paired import paired_retention
from profiles.scores import RowScores

_CONFIDENCE = 0.95


def rival_rows(
    rivals: Iterable[Measured], answer: Measured, targets: Sequence[Any], seed: int
) -> Iterator[RivalRow]:
    """Yield the row of each rival that answered the labeled rows."""
    mine = scores_of(answer, targets)
    for rival in rivals:
        theirs = scores_of(rival, targets)
        if mine is None or theirs is None:
            continue
        ahead = difference(mine, theirs, seed)
        size_mb = rival.candidate.artifact.size_mb
        yield RivalRow(
            name=rival.candidate.name,
            accuracy=theirs.metric,
            difference=ahead,
            size_mb=round(size_mb, 4),
            compression=rival.value("compression"),
            latency_p50_ms=rival.value("latency_p50_ms"),
            speedup=estimate(rival.measurements.get("speedup")),
            wins=wins(ahead, size_mb, answer.candidate.artifact.size_mb),
        )


def scores_of(measured: Measured, targets: Sequence[Any]) -> RowScores | None:
    """Return the score of each labeled row, None for a model whose process failed."""
    artifact = measured.candidate.artifact
    if not measured.answers:
        return None
    return task_of(artifact.task).score(measured.answers, targets, artifact.labels)


def difference(answer: RowScores, rival: RowScores, seed: int) -> Estimate:
    """Return the answer's score less the rival's, paired by row, each bound with 95 %.

    The bounds are those of the ratio, in points of the rival's score.
    """
    ratio = paired_retention(answer, rival, _CONFIDENCE, seed)
    known = (ratio.value, ratio.lower, ratio.upper)
    value, lower, upper = (None if r is None else (r - 1) * rival.metric for r in known)
    return Estimate(value, lower, upper, _CONFIDENCE, "each")


def wins(ahead: Estimate, rival_mb: float, answer_mb: float) -> bool:
    """Tell whether a rival is not larger, and the answer not surely more accurate."""
    ahead_surely = ahead.lower is not None and ahead.lower > 0
    return rival_mb <= answer_mb and not ahead_surely

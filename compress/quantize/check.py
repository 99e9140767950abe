"""Refuse a quantized model that is too far from its source, and say why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compress.answers.effect import paired
from compress.answers.folder import folder_answers
from compress.data.dataset import Dataset
from compress.data.rows import Rows
from compress.stage import RunContext
from compress.tasks import Task, task_of
from profiles.paired import Paired
from runtimes.artifact import Artifact
from runtimes.errors import DataError, QualityError
from runtimes.soundness import different

CHECK_ROWS = 200
_SURE = 1.645
"""Standard errors of a one-sided 95 % bound."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Hold the limits of a result: `largest` is its size as a share of its source's.

    `advice` says what to try when a limit is broken.
    """

    scheme: str
    largest: float
    max_drop: float
    advice: str


def require_answers(source: Artifact, data: Dataset) -> None:
    """Raise AnswerError when the source's answers to a few rows are none: nothing to keep."""
    rows = different((*data.validation.inputs, *data.train.inputs))
    folder_answers(source, source.path, rows)


def check_result(
    source: Artifact, folder: Path, limits: Limits, context: RunContext
) -> dict[str, float]:
    """Compare a quantized folder with its source; return size and agreement as metrics.

    Raises QualityError when it did not shrink, fell to chance, lost more than `limits.max_drop`, or
    disagrees with its source too often.
    """
    ratio = _size_ratio(source, folder, limits)
    task = task_of(source.task)
    rows = pick_rows(context.data.validation, CHECK_ROWS, task)
    agreement, pair = compare(source, folder, rows)
    chance = task.chance(rows.targets, source.labels)
    if pair.reference.metric <= chance:
        context.progress.warn(
            f"the model before quantization is right on {pair.reference.metric:.1%} of the"
            " validation rows, which guessing could reach: the result cannot be judged"
        )
    else:
        refuse_if_worse(agreement, pair, chance, limits)
    return {
        "size_ratio": round(ratio, 4),
        "validation_rows": float(len(rows)),
        f"validation_{task.metric}": round(pair.candidate.metric, 4),
        f"source_{task.metric}": round(pair.reference.metric, 4),
        "agreement": round(agreement, 4),
    }


def compare(source: Artifact, folder: Path, rows: Rows) -> tuple[float, Paired]:
    """Answer each row alone, at its own length, with the source and with the result.

    Returns the share of rows with the same decision, and the paired scores.
    """
    task = task_of(source.task)
    reference = folder_answers(source, source.path, rows.inputs)
    answers = folder_answers(source, folder, rows.inputs)
    agreement = float(task.agrees(reference, answers).mean())
    return agreement, paired(task, reference, answers, rows.targets, source.labels)


def pick_rows(rows: Rows, count: int, task: Task) -> Rows:
    """Return up to `count` rows, evenly spaced, because a file may be sorted.

    Rows that are scored together stay together: then whole groups are spaced, one at least.
    """
    if not len(rows):
        raise DataError(
            "no validation rows",
            expected="labeled rows to check the result on",
            action="name rows with labels under [data]",
        )
    units = [task.unit(target) or place for place, target in enumerate(rows.targets)]
    names = list(dict.fromkeys(units))
    kept = max(1, min(len(names), count * len(names) // len(rows)))
    chosen = {names[i] for i in np.linspace(0, len(names) - 1, kept).round().astype(int)}
    places = [place for place, unit in enumerate(units) if unit in chosen]
    return Rows(tuple(rows.inputs[i] for i in places), tuple(rows.targets[i] for i in places))


def _size_ratio(source: Artifact, folder: Path, limits: Limits) -> float:
    weights = max(source.model_files(), key=lambda file: file.stat().st_size)
    left = folder / weights.name
    if not left.is_file():  # the fp32 graph's external weights are part of its size
        left = folder / source.model_file.name
    ratio = left.stat().st_size / weights.stat().st_size
    if ratio > limits.largest:
        raise QualityError(
            f"{limits.scheme} left {ratio:.0%} of the size",
            expected=f"at most {limits.largest:.0%} of the source's {source.size_mb:.1f} MB",
            action="fp32 weights were left behind: report the architecture",
        )
    return ratio


def refuse_if_worse(agreement: float, pair: Paired, chance: float, limits: Limits) -> None:
    """Raise QualityError for a result that lost too much, or disagrees too often."""
    rows, after = len(pair.candidate), pair.candidate.metric
    change = f"{pair.reference.metric:.1%} → {after:.1%}"
    if after <= chance and pair.drop > limits.max_drop:
        why = f"fell to chance: accuracy {change} on {rows} validation rows"
    elif pair.sure_drop(_SURE) > limits.max_drop:
        why = f"lost accuracy: {change} on {rows} validation rows"
    elif agreement < 1 - 5 * max(limits.max_drop, 0.02):
        why = f"agrees with its source on only {agreement:.1%} of {rows} validation rows"
    else:
        return
    raise QualityError(
        f"{limits.scheme} {why}",
        expected=f"a loss of at most {limits.max_drop:.1%} (max_drop)",
        action=limits.advice,
    )

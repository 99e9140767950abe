"""Find what explains a metric: one row a family of metrics, imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from compress.explain.explanation import Explanation
from compress.explain.question import Question
from compress.tasks import task_of
from profiles.budget import METRICS, metric_named
from runtimes.artifact import Artifact
from runtimes.errors import EdgepressError, InputError, UnknownNameError, UnsupportedError

FAMILIES = {
    "latency": "compress.explain.operators:explain",
    "speedup": "compress.explain.operators:explain",
    "throughput": "compress.explain.operators:explain",
    "artifact": "compress.explain.size:explain",
    "compression": "compress.explain.size:explain",
    "cold_start": "compress.explain.cold_start:explain",
    "rss_peak": "compress.explain.memory:explain",
    "sustained": "compress.explain.sustained:explain",
}
"""What explains the metrics whose names begin so; a task says what explains its own."""

_HEADLINES = {
    "compress.explain.operators:explain": "compress.explain.operators:headline",
    "compress.explain.size:explain": "compress.explain.size:headline",
}
"""The families that can say in seconds, beside a failed check, what is behind it."""


def explain(question: Question) -> Explanation:
    """Say why a figure is what it is.

    Raises UnknownNameError for a metric that is none, UnsupportedError for one that nothing
    explains or a format that does not run, InputError when rows or the reference are missing,
    BackendError when a runtime fails.
    """
    row = _explainer(question.metric, question.artifact.task)
    _check_reference(question)
    explanation: Explanation = _resolve(row)(question)
    return explanation


def headline(
    metric: str, artifact: Artifact, texts: Sequence[str], *, threads: int = 1, seconds: float = 1.0
) -> str:
    """Say in a few words what is behind a figure, to stand beside a check that failed.

    Loads the model three times and runs it for about `seconds`: 2 to 4 s for a small model.
    Returns "" where only the full explanation could say, or where the model does not run here.
    Raises UnknownNameError for a metric that is none.
    """
    row = _HEADLINES.get(_explainer(metric, artifact.task))
    if row is None:
        return ""
    try:
        return str(_resolve(row)(artifact, list(texts), threads, seconds))
    except EdgepressError:
        return ""


def _check_reference(question: Question) -> None:
    known = metric_named(question.metric)
    if known is not None and known.against == "reference" and question.reference is None:
        raise InputError(
            f"{question.metric} is against a reference, and none was given",
            expected="the exported model that it is compared with",
            action="name its folder with --reference FOLDER",
        )


def _explainer(metric: str, task: str) -> str:
    if metric_named(metric) is None:
        raise UnknownNameError("metric", metric, METRICS)
    families = {**FAMILIES, **task_of(task).explained_by}
    for family, row in families.items():
        if metric.startswith(family):
            return row
    raise UnsupportedError(f"nothing explains {metric}", available=", ".join(families))


def _resolve(row: str) -> Callable[..., Any]:
    module, _, name = row.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function

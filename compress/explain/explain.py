"""Find the explanation of a metric: one row for each family of metrics, imported on use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from compress.explain.explanation import Explanation
from compress.explain.question import Question
from compress.tasks import task_of
from profiles.budget import METRICS, is_timed, metric_named
from profiles.emulated import require_times
from runtimes.artifact import Artifact
from runtimes.errors import EdgepressError, InputError, UnknownNameError, UnsupportedError

FAMILIES = {
    "latency": "compress.explain.latency:explain",
    "speedup": "compress.explain.latency:explain",
    "idle": "compress.explain.latency:explain",
    "encode": "compress.explain.latency:explain_parts",
    "energy": "compress.explain.latency:explain",
    "instructions": "compress.explain.operators:explain",
    "model": "compress.explain.operators:explain",
    "throughput": "compress.explain.operators:explain",
    "server": "compress.explain.server:explain",
    "artifact": "compress.explain.size:explain",
    "compression": "compress.explain.size:explain",
    "zip": "compress.explain.size:explain",
    "layer_zip": "compress.explain.size:explain",
    "unzipped": "compress.explain.size:explain",
    "cold_start": "compress.explain.cold_start:explain",
    "rss_peak": "compress.explain.memory:explain",
    "sustained": "compress.explain.sustained:explain",
}
"""The explanation of each family of metrics, by prefix; a task explains its own metrics."""

_HEADLINES = {
    "compress.explain.latency:explain": "compress.explain.operators:headline",
    "compress.explain.operators:explain": "compress.explain.operators:headline",
    "compress.explain.size:explain": "compress.explain.size:headline",
}
"""The families that can explain a failed check within seconds."""


def explain(question: Question) -> Explanation:
    """Explain a figure.

    Raises UnknownNameError for an unknown metric, UnsupportedError for a metric without an
    explanation or a format that does not run, InputError when rows or the reference are missing,
    BackendError when a runtime fails.
    """
    row = _explainer(question.metric, question.artifact.task)
    if is_timed(question.metric):
        require_times(question.device.facts(), question.metric)
    _check_reference(question)
    explanation: Explanation = _resolve(row)(question)
    return explanation


def headline(
    metric: str, artifact: Artifact, texts: Sequence[str], *, threads: int = 1, seconds: float = 1.0
) -> str:
    """Explain a figure in a few words, beside a check that failed.

    Loads the model three times and runs it for about `seconds`: 2 to 4 s for a small model. Returns
    "" where only the full explanation can tell, or where the model does not run here. Raises
    UnknownNameError for an unknown metric.
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
            expected="the exported model to compare with",
            action="name its folder with --reference FOLDER",
        )


def _explainer(metric: str, task: str) -> str:
    if metric_named(metric) is None:
        raise UnknownNameError("metric", metric, METRICS)
    families = {**FAMILIES, **task_of(task).explained_by}
    for family, row in families.items():
        if metric.startswith(family):
            return row
    raise UnsupportedError(
        f"nothing explains {metric}",
        available=", ".join(families),
        action="give one of these metrics, or the start of one",
    )


def _resolve(row: str) -> Callable[..., Any]:
    module, _, name = row.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function

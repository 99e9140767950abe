"""Why an answer takes its time: encoding, the model and naming the answer; then its operators."""

from __future__ import annotations

import numpy as np

from compress.explain import operators
from compress.explain.explanation import Column, Explanation, Table, percent
from compress.explain.question import Question, runtime_of
from profiles.statistics import Floats
from runtimes.measure import MeasurePlan, Variant, expected_runs

_PLAN = MeasurePlan(processes=2, cold_starts=2, warmup_s=0.2, warmup_limit_s=0.5)
_STEPS = ("encode: the row becomes arrays", "run the model", "name the answer")


def explain(question: Question) -> Explanation:
    """Split the time from input to answer, then explain the model's own part by its operators.

    figures: latency_p50_ms, encode_latency_p50_ms, model_latency_p50_ms and idle_latency_p50_ms,
    and those of `operators`, which are of the model's part. tables: parts, and those of
    `operators`.
    """
    whole = explain_parts(question)
    model = operators.explain(question)
    return Explanation(
        f"{whole.answer}; of the model's part: {model.answer}",
        {**model.figures, **whole.figures},
        (*whole.tables, *model.tables),
        (*whole.notes, *model.notes),
    )


def explain_parts(question: Question) -> Explanation:
    """Split the time from input to answer into its parts.

    figures: latency_p50_ms, encode_latency_p50_ms, model_latency_p50_ms and idle_latency_p50_ms.
    tables: parts.
    """
    texts = question.texts()
    variant = Variant("model", question.artifact, runtime_of(question.artifact), question.threads)
    with question.progress.task("latency", expected_runs(1, _PLAN)) as advance:
        samples = question.device.measure([variant], texts, _PLAN, advance=advance)["model"]
    samples.raise_fault()
    whole, encode, model = (
        np.concatenate([getattr(block, part) for block in samples.blocks])
        for part in ("latency_ms", "encode_ms", "model_ms")
    )
    steps = (encode, model, whole - encode - model)
    shares = [float(step.sum() / whole.sum()) for step in steps]
    idle = np.concatenate([runs.latency_ms for runs in samples.idle_runs])
    figures = {
        "latency_p50_ms": _p50(whole),
        "encode_latency_p50_ms": _p50(encode),
        "model_latency_p50_ms": _p50(model),
        "idle_latency_p50_ms": _p50(idle),
    }
    answer = (
        f"{figures['latency_p50_ms']:.3f} ms from input to answer: {percent(shares[0])} encodes the"
        f" row, {percent(shares[1])} runs the model, {percent(shares[2])} names the answer"
    )
    rows = tuple(
        (name, _p50(step), share) for name, step, share in zip(_STEPS, steps, shares, strict=True)
    )
    columns = (Column("part", "part"), Column("p50_ms", "p50 ms", ".3f"), Column("share", "", "%"))
    note = (
        f"after an idle gap of {_PLAN.idle_gap_ms:g} ms with cold caches the median is"
        f" {figures['idle_latency_p50_ms']:.3f} ms"
    )
    table = Table("parts", "from input to answer", columns, rows)
    return Explanation(answer, figures, (table,), (note,))


def _p50(values: Floats) -> float:
    return float(np.median(values))

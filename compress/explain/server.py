"""Why requests that arrive at a rate take so long: their own work, and the wait for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from compress.explain.explanation import Column, Explanation, Table, percent
from compress.explain.question import Question, runtime_of
from profiles.budget import SERVER
from profiles.server_load import unsettled
from profiles.statistics import Floats
from runtimes.measure import MeasurePlan, ServerRuns, Variant, expected_runs

_PLAN = MeasurePlan(processes=2, cold_starts=2, blocks=1, warmup_s=0.2, server_s=5.0)
_GROWS = "the model is too slow for this load, and the queue grows without end"
_PERCENTILES = (("p50", 50), ("p90", 90), ("p99", 99))


def explain(question: Question) -> Explanation:
    """Split the latency under a load into a request's own work and its wait in the queue.

    figures: per_s, utilization (the rate times the mean own work), work_mean_ms, wait_mean_ms,
    wait_share (of the mean latency), waited (the share of requests that waited longer than their
    own work takes), unanswered, requests, and p50, p90 and p99 as in the metric's name. tables:
    parts.
    """
    rate = SERVER.fullmatch(question.metric)
    assert rate is not None  # the family has no other metric
    runs = _measured(question, int(rate[2]))
    own = np.concatenate([_answered(one, "latency_ms") for one in runs])
    wait = np.concatenate([_answered(one, "wait_ms") for one in runs])
    latency = np.concatenate([one.latency_ms for one in runs])
    figures: dict[str, float] = {"unanswered": sum(one.unanswered for one in runs)}
    why = unsettled(runs, 0.95)
    notes = (why,) if why else ()
    if not len(own):
        return Explanation(
            f"every request came too late to be answered; {_GROWS}", figures, (), notes
        )
    own -= wait
    figures |= _figures(runs[0].per_s, own, wait, latency)
    return Explanation(_answer(figures), figures, (_parts(own, wait),), notes)


def _measured(question: Question, per_s: int) -> tuple[ServerRuns, ...]:
    plan = replace(_PLAN, requests_per_s=(per_s,))
    variant = Variant("model", question.artifact, runtime_of(question.artifact), question.threads)
    texts = question.texts()
    with question.progress.task("requests", expected_runs(1, plan)) as advance:
        samples = question.device.measure([variant], texts, plan, advance=advance)["model"]
    samples.raise_fault()
    return samples.server_runs


def _answered(runs: ServerRuns, part: str) -> Floats:
    times: tuple[float, ...] = getattr(runs, part)
    return np.array(times[: len(times) - runs.unanswered], dtype=np.float64)


def _figures(per_s: int, own: Floats, wait: Floats, latency: Floats) -> dict[str, float]:
    work_ms, wait_ms = float(own.mean()), float(wait.mean())
    return {
        "per_s": per_s,
        "requests": len(latency),
        "utilization": per_s * work_ms / 1e3,
        "work_mean_ms": work_ms,
        "wait_mean_ms": wait_ms,
        "wait_share": wait_ms / (wait_ms + work_ms),
        "waited": float(np.mean(wait > work_ms)),
        **{
            f"server_latency_{name}_at_{per_s}_per_s_ms": float(np.percentile(latency, percentile))
            for name, percentile in _PERCENTILES
        },
    }


def _answer(figures: Mapping[str, float]) -> str:
    busy, share, per_s = (figures[name] for name in ("utilization", "wait_share", "per_s"))
    said = (
        f"at {per_s} requests a second the model is busy {percent(busy)} of the time; waiting for"
        f" others is {percent(share)} of the mean latency"
    )
    return f"{said}; {_GROWS}" if busy >= 1 else said


def _parts(own: Floats, wait: Floats) -> Table:
    rows = tuple(
        (name, *(float(np.percentile(part, q)) for _, q in _PERCENTILES), float(part.mean()))
        for name, part in (("wait in the queue", wait), ("the request's own work", own))
    )
    columns = (
        Column("part", "part"),
        *(Column(f"{name}_ms", f"{name} ms", ".3f") for name, _ in _PERCENTILES),
        Column("mean_ms", "mean ms", ".3f"),
    )
    return Table("parts", "from the arrival to the answer", columns, rows)

"""Write the results of a run into its report."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from compress.data.dataset import Dataset
from compress.judge.class_costs import class_rows
from compress.judge.evaluation import Measured
from compress.judge.fleet import Fleet, Part
from compress.judge.trace import trace
from compress.report.schema import (
    CheckRow,
    ClassRow,
    DeviceRow,
    Environment,
    Estimate,
    ModelFigures,
    RowCounts,
    SampleCounts,
    StageRow,
    Summary,
    VerdictRow,
)
from compress.stage import tool_versions
from compress.tasks import has_vectors, task_of
from profiles.gate import Check, Verdict
from profiles.measurement import Measurement
from runtimes.artifact import Artifact
from runtimes.facts import Facts

TOOLS = (
    "accelerate",
    "datasets",
    "edgepress",
    "nncf",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "openvino",
    "safetensors",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
)

_WORST = 5
"""The number of classes that a report shows; `edgepress sensitivity` shows all."""

_PARTS = ("model_latency_p50_ms", "encode_latency_p50_ms", "idle_latency_p50_ms")

_UNITY = Estimate(value=1.0)
"""The teacher's figures relative to itself."""


def figures(measured: Measured) -> ModelFigures:
    """Return a model's figures for the summary."""
    return ModelFigures(**_figures(measured))


def stage_row(
    measured: Measured,
    *,
    made: Artifact,
    name: str,
    kind: str,
    cached: bool,
    teacher: bool = False,
    selected: bool = False,
) -> StageRow:
    """Return a stage's row of the table: `made` is its artifact, `measured` the artifact's figures.

    A torch model is measured as its fp32 ONNX export, never in eager mode.
    """
    last = next((record for record in reversed(made.history)), None)
    return StageRow(
        **_figures(measured),
        kind=kind,
        name=name,
        settings=dict(last.settings) if last else {},
        seconds=last.seconds if last else None,
        metrics=dict(last.metrics) if last else {},
        cached=cached,
        digest=made.digest,
        teacher=teacher,
        selected=selected,
        retention=_retention(measured, teacher),
        speedup=_against(measured, "speedup", teacher),
        model_speedup=_against(measured, "model_speedup", teacher),
        idle_speedup=_against(measured, "idle_speedup", teacher),
    )


def _figures(measured: Measured) -> dict[str, Any]:
    artifact = measured.candidate.artifact
    task = task_of(artifact.task)
    accuracy = estimate(measured.measurements.get("accuracy"))
    return {
        "format": artifact.format,
        "precision": artifact.precision,
        "runtime": measured.candidate.runtime,
        "parameters": artifact.parameters,
        "size_mb": round(artifact.size_mb, 4),
        "score": estimate(measured.measurements.get(task.metric)),
        "score_name": task.score_name,
        "accuracy": accuracy.value,
        "accuracy_lower": accuracy.lower,
        "accuracy_upper": accuracy.upper,
        "accuracy_confidence": accuracy.confidence,
        "accuracy_side": accuracy.side,
        "f1_macro": measured.value("f1_macro"),
        "f1": measured.value("f1"),
        "latency_p50_ms": measured.value("latency_p50_ms"),
        "latency_p90_ms": measured.value("latency_p90_ms"),
        **{name: measured.value(name) for name in _PARTS},
        "rss_peak_mb": measured.value("rss_peak_mb"),
        "cold_start_ms": measured.value("cold_start_p50_ms"),
    }


def summary(teacher: Measured, model: Measured) -> Summary:
    """Return the teacher, the chosen model and their comparison."""
    return Summary(
        teacher=figures(teacher),
        model=figures(model),
        retention=_retention(model),
        speedup=_against(model, "speedup"),
        model_speedup=_against(model, "model_speedup"),
        idle_speedup=_against(model, "idle_speedup"),
        compression=model.value("compression"),
    )


def worst_classes(teacher: Measured, model: Measured, truth: Sequence[Any]) -> tuple[ClassRow, ...]:
    """Return the classes that keep least of the teacher's accuracy; empty without answers."""
    if teacher.answers is None or model.answers is None:
        return ()
    artifact = model.candidate.artifact
    task = task_of(artifact.task)
    costs = task.class_costs(model.answers, teacher.answers, truth, artifact.labels)
    return class_rows(costs[:_WORST])


def _retention(measured: Measured, teacher: bool = False) -> Estimate:
    """Return what a model keeps of the teacher's score."""
    task = task_of(measured.candidate.artifact.task)
    return _against(measured, f"{task.metric}_retention", teacher)


def _against(measured: Measured, metric: str, teacher: bool = False) -> Estimate:
    """Return a figure relative to the teacher, which is 1 for the teacher itself."""
    return _UNITY if teacher else estimate(measured.measurements.get(metric))


def estimate(figure: Measurement | None) -> Estimate:
    """Return a figure's value and bounds."""
    if figure is None:
        return Estimate()
    bounds = figure.lower, figure.upper
    if bounds == (None, None):
        return Estimate(figure.value)
    return Estimate(figure.value, *bounds, figure.confidence, figure.side)


def verdict(judged: Verdict) -> VerdictRow:
    """Return a gate's verdict in the report's form."""
    return VerdictRow(
        profile=judged.profile,
        status=judged.status.value,
        why=judged.why,
        conditions=judged.conditions,
        checks=tuple(_check(check) for check in judged.checks),
    )


def _check(check: Check) -> CheckRow:
    budget, figure = check.budget, check.measurement
    return CheckRow(
        metric=budget.metric,
        unit=budget.kind.unit,
        limit=budget.limit,
        bound=budget.side,
        status=check.status.value,
        level="error" if check.counts else "warn",
        confidence=figure.confidence if figure else None,
        side=figure.side if figure else None,
        value=figure.value if figure else None,
        lower=figure.lower if figure else None,
        upper=figure.upper if figure else None,
        why="; ".join(filter(None, (check.lenient, check.why))),
        advice=check.advice,
    )


def devices(fleet: Fleet, judged: str) -> tuple[DeviceRow, ...]:
    """Return a row for each device, empty where there is one alone: the report is about it."""
    if len(fleet.parts) < 2:
        return ()
    return tuple(_device(part, judged) for part in fleet.parts)


def _device(part: Part, judged: str) -> DeviceRow:
    outcome = part.outcome
    facts = outcome.facts if outcome else None
    return DeviceRow(
        name=part.device.name,
        transport=part.device.transport,
        profiles=part.device.profile_names,
        cpu=facts.cpu_model if facts else None,
        arch=facts.arch if facts else None,
        emulated=facts.emulated if facts else "",
        model=figures(outcome.of(judged)) if outcome else None,
        retention=_retention(outcome.of(judged)) if outcome else Estimate(),
        speedup=_against(outcome.of(judged), "speedup") if outcome else Estimate(),
        trace=trace(outcome) if outcome else None,
        lost=part.why_lost,
    )


def row_counts(data: Dataset, task: str) -> RowCounts:
    """Return how many rows the run trained on and judged on.

    The classes are a model's outputs; where these are a vector's dimensions, the test rows' labels.
    """
    classes = set(data.test.targets) if has_vectors(task) else data.labels
    return RowCounts(
        train=len(data.train),
        validation=len(data.validation),
        test=len(data.test),
        classes=len(classes),
        unlabeled=len(data.unlabeled),
        duplicates=data.duplicates,
        dropped=data.dropped,
    )


def environment(facts: Facts) -> Environment:
    """Return the machine's description, without its name, its user or its paths."""
    shown = {
        "libc": facts.libc,
        "hypervisor": "yes" if facts.hypervisor else "no",
        "governor": facts.governor or "not shown",
        "load_1m": "not shown" if facts.load_1m is None else f"{facts.load_1m:.2f}",
        "int8_dot_product": "yes" if facts.int8_dot else "no",
    }
    return Environment(
        cpu=facts.cpu_model,
        arch=facts.arch,
        cores=facts.cores or os.cpu_count() or 1,
        os=facts.kernel,
        memory_mb=facts.memory_mb,
        isa=facts.isa,
        python=platform.python_version(),
        fingerprint=facts.fingerprint(),
        facts=shown,
    )


def measurement(measured: Sequence[Measured], texts: int) -> SampleCounts:
    """Return how much was measured."""
    blocks = [block for row in measured for block in row.samples.blocks]
    flags = [flag for block in blocks for flag in block.contaminated]
    return SampleCounts(
        processes=len({block.process for block in blocks}) * len(measured),
        blocks=len(blocks),
        samples=len(flags),
        threads=measured[0].samples.threads,
        clean_share=1 - sum(flags) / len(flags) if flags else None,
        texts=texts,
    )


def tools() -> dict[str, str]:
    """Return the version of every package that the run may have used."""
    return tool_versions(TOOLS)


def now() -> str:
    """Return the time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")

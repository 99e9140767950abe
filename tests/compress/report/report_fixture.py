"""Reports for tests: the figures of a plausible run, of any length and any outcome."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from compress.report.schema import (
    CheckRow,
    Environment,
    Estimate,
    ModelFigures,
    Report,
    RowCounts,
    SampleCounts,
    StageRow,
    Status,
    Summary,
    Trace,
    VerdictRow,
)

_STEPS: tuple[tuple[str, str, str, str, float, int, float, float, float], ...] = (
    ("finetune", "finetune", "onnx", "fp32", 90.9, 22_742_861, 0.9315, 11.42, 212.0),
    ("distill", "distill 3 layers", "onnx", "fp32", 69.6, 17_418_317, 0.9281, 5.81, 164.5),
    ("prune", "prune heads, FFN, vocabulary", "onnx", "fp32", 38.2, 9_551_117, 0.9247, 3.42, 88.1),
    ("quantize", "quantize int8-dynamic", "onnx", "int8", 9.7, 9_551_117, 0.9231, 1.62, 4.2),
    ("export", "export openvino", "openvino", "int8", 4.8, 9_551_117, 0.9234, 1.41, 6.6),
    ("quantize", "quantize int8-static", "onnx", "int8", 9.8, 9_551_117, 0.9205, 1.58, 9.3),
    ("quantize", "quantize int4-weight-only", "onnx", "int4", 6.1, 9_551_117, 0.9139, 2.2, 7.1),
    ("quantize", "quantize fp16", "onnx", "fp16", 19.2, 9_551_117, 0.9247, 3.61, 2.9),
    ("distill", "distill 2 layers", "onnx", "fp32", 62.5, 15_630_000, 0.9102, 3.9, 120.3),
    ("prune", "prune FFN only", "onnx", "fp32", 55.0, 13_750_000, 0.9263, 4.4, 70.0),
    ("quantize", "quantize int8 2 layers", "onnx", "int8", 8.1, 15_630_000, 0.9088, 1.2, 4.0),
    ("export", "export openvino fp32", "openvino", "fp32", 38.0, 9_551_117, 0.9247, 3.35, 5.5),
)


def stage_row(index: int, selected: bool) -> StageRow:
    """Return row `index` of the invented run, held against row 0."""
    kind, name, form, precision, size, count, accuracy, p50, seconds = _STEPS[index]
    teacher_accuracy, teacher_p50 = _STEPS[0][6], _STEPS[0][7]
    kept, gain = accuracy / teacher_accuracy, teacher_p50 / p50
    bounded = index > 0
    return StageRow(
        kind=kind,
        name=name,
        format=form,
        precision=precision,
        runtime="openvino" if form == "openvino" else "onnxruntime",
        parameters=count,
        size_mb=size,
        accuracy=accuracy,
        accuracy_lower=accuracy - 0.009,
        accuracy_upper=accuracy + 0.008,
        accuracy_confidence=0.95,
        accuracy_side="each",
        f1_macro=accuracy - 0.002,
        latency_p50_ms=p50,
        latency_p90_ms=round(p50 * 1.31, 3),
        retention=Estimate(kept, kept - 0.009, kept + 0.008, 0.95, "each")
        if bounded
        else Estimate(1.0),
        speedup=Estimate(gain, gain * 0.97, gain * 1.04, 0.9785, "each")
        if bounded
        else Estimate(1.0),
        seconds=seconds,
        settings={"layers": 3, "temperature": 4.0},
        cached=index == 1,
        digest=f"{index:x}" * 64,
        teacher=index == 0,
        selected=selected,
    )


def check(metric: str = "latency_p90_ms", **changes: Any) -> CheckRow:
    """Return a passing latency check, with changes."""
    values: dict[str, Any] = {
        "unit": "ms",
        "limit": 4.0,
        "bound": "max",
        "status": "PASS",
        "confidence": 0.95,
        "side": "each",
        "value": 1.85,
        "lower": 1.79,
        "upper": 1.93,
    }
    return CheckRow(metric=metric, **{**values, **changes})


_OUTCOMES: dict[Status, dict[str, Any]] = {
    "PASS": {},
    "FAIL": {"limit": 1.5, "why": "the lower bound is over the limit"},
    "INCONCLUSIVE": {"limit": 1.88, "why": "the interval holds the limit after three looks"},
    "NOT_MEASURED": {"value": None, "lower": None, "upper": None, "why": "64 samples are needed"},
    "WRONG_DEVICE": {"limit": 9.0, "why": "measured on x86_64, the profile is aarch64"},
}


def verdict(status: Status = "PASS", profile: str = "local") -> VerdictRow:
    """Return a verdict of five checks, the first of which has the status."""
    return VerdictRow(
        profile=profile,
        status=status,
        conditions="1 thread, one row at a time, at the rows' own lengths",
        checks=(
            check(status=status, **_OUTCOMES[status]),
            check(
                "accuracy_retention",
                unit="fraction",
                limit=0.97,
                bound="min",
                value=0.9913,
                lower=0.9823,
                upper=0.9992,
            ),
            check("artifact_mb", unit="MB", limit=10.0, value=4.8, lower=None, upper=None),
            check("rss_peak_mb", unit="MB", limit=300.0, value=112.4, lower=111.0, upper=114.9),
            check(
                "sustained_p90_ratio",
                unit="ratio",
                limit=1.15,
                level="warn",
                status="INCONCLUSIVE",
                value=1.08,
                lower=0.99,
                upper=1.17,
                why="the interval holds the limit",
            ),
        ),
    )


def report(stages: int = 5, status: Status = "PASS", **changes: Any) -> Report:
    """Return a complete report with 1 to 12 stages, the fifth (or last) of them selected."""
    chosen = min(4, stages - 1)
    rows = tuple(stage_row(index, index == chosen) for index in range(stages))
    final = rows[chosen]
    made = Report(
        name="banking77",
        created="2026-11-21T05:20:00+00:00",
        seed=7,
        command="edgepress run benchmarks/banking77.toml --out runs/banking77 --profile local",
        summary=Summary(
            teacher=figures_of(rows[0]),
            model=figures_of(final),
            retention=final.retention,
            speedup=final.speedup,
            compression=(rows[0].size_mb or 0.0) / (final.size_mb or 1.0),
        ),
        stages=rows,
        verdicts=(verdict(status),),
        rows=RowCounts(train=8502, validation=1501, test=3080, classes=77, duplicates=12),
        warnings=("12 rows of train are in test too; they were taken out of train",),
        environment=Environment(
            cpu="AMD EPYC 7B13",
            arch="x86_64",
            cores=2,
            isa=("avx2", "fma", "f16c"),
            memory_mb=8192.0,
            os="Linux 6.1",
            python="3.11.2",
            fingerprint="6f1a2b3c",
            facts={"hypervisor": "KVM"},
        ),
        tools={"torch": "2.13.0", "onnxruntime": "1.31.0", "openvino": "2026.4.0"},
        measurement=SampleCounts(
            processes=18, blocks=108, samples=4320, threads=1, clean_share=0.982, texts=240
        ),
        artifacts={"bundle": "bundle", "html": "report.html"},
    )
    return replace(made, **changes)


def trace(moments: int = 180, **changes: Any) -> Trace:
    """Return what a board shows that grows hot, is slowed from 84 °C on, and cools down."""
    heat = [round(88 - 46 * 0.97**place - (place % 3) * 0.4, 1) for place in range(moments)]
    slow = [degrees > 84 for degrees in heat]
    made = Trace(
        at_s=tuple(round(0.7 * (place + 1), 1) for place in range(moments)),
        temperature_c=tuple(heat),
        clock_mhz=tuple(1500.0 if slowed else 2400.0 for slowed in slow),
        slowed=tuple(slow),
        slowed_by=("frequency capped", "soft temperature limit") if any(slow) else (),
    )
    return replace(made, **changes)


def figures_of(row: StageRow) -> ModelFigures:
    """Return a row's figures alone."""
    return ModelFigures(**{field.name: getattr(row, field.name) for field in fields(ModelFigures)})

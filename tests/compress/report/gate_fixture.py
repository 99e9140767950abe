"""Gate reports for tests: the figures of a plausible gate, of any outcome and any length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from compress.report.gate_report import Fault, GatedModel, GateReport
from profiles.budget import Budget, metric_named
from profiles.gate import Check, Status, Verdict
from profiles.measurement import Measurement

HOSTILE = (
    "a|b\n# x <script>alert('&amp;')</script> `c` ``` [d](e) **f** \"g\" ]]> --> %0A ::error::"
    " \x1b[31mred\x1b[0m \x00\x07 \ud800 \u202e é 😀 -->"
)
"""What has broken XML, Markdown tables, HTML or workflow commands somewhere."""

WORDS = (
    "Traceback (most recent call last):\n"
    '  File "predict.py", line 71, in run\r\n'
    "\x1b[1;31mMemoryError\x1b[0m: cannot allocate 512 MiB"
)
"""A worker's last words, as a terminal would show them in red."""

_VALUES: dict[str, tuple[float, float, float]] = {
    "latency_p90_ms": (1.85, 1.79, 1.93),
    "accuracy_retention": (0.991, 0.982, 0.999),
    "cold_start_p90_ms": (412.0, 398.0, 431.0),
    "artifact_mb": (9.81, 9.81, 9.81),
}
_LIMITS: dict[Status, float] = {
    Status.PASS: 4.0,
    Status.FAIL: 1.5,
    Status.INCONCLUSIVE: 1.88,
    Status.NOT_MEASURED: 4.0,
    Status.WRONG_DEVICE: 9.0,
}
_WHYS: dict[Status, str] = {
    Status.PASS: "",
    Status.FAIL: "",
    Status.INCONCLUSIVE: "needs about 1,900 samples (have 1,200)",
    Status.NOT_MEASURED: "needs 46 cold starts (have 8)",
    Status.WRONG_DEVICE: "says nothing about that device",
}


def measurement(metric: str = "latency_p90_ms", **changes: Any) -> Measurement:
    """Return a figure with its bounds."""
    value, lower, upper = _VALUES.get(metric, (1.85, 1.79, 1.93))
    confidence = None if value == lower == upper else 0.95
    figure = Measurement(metric, "ms", value, lower, upper, confidence, 1_200)
    return replace(figure, **changes)


def budget(metric: str = "latency_p90_ms", limit: float = 4.0, **changes: Any) -> Budget:
    """Return a budget with its limit on the side that suits the metric."""
    kind = metric_named(metric)
    assert kind is not None
    return Budget(metric=metric, **{kind.side: limit}, **changes)


def check(
    status: Status = Status.PASS,
    metric: str = "latency_p90_ms",
    limit: float | None = None,
    **changes: Any,
) -> Check:
    """Return a check that came out so."""
    asked = budget(metric, _LIMITS[status] if limit is None else limit)
    figure = None if status is Status.NOT_MEASURED else measurement(metric)
    return replace(Check(asked, figure, status, _WHYS[status]), **changes)


def warning(status: Status = Status.FAIL) -> Check:
    """Return a check of a budget of level warn."""
    return check(status, budget=budget("latency_p90_ms", _LIMITS[status], level="warn"))


def waived() -> Check:
    """Return a broken budget with a waiver."""
    return check(Status.FAIL, lenient="waived until 2026-12-31: the fix is in review, #41")


def verdict(status: Status = Status.PASS, profile: str = "local", *more: Check) -> Verdict:
    """Return a verdict of two met budgets, one that came out so, and any more."""
    met = (check(metric="accuracy_retention", limit=0.97), check(metric="artifact_mb", limit=12))
    return Verdict(
        profile=profile,
        status=status,
        why="the profile is aarch64, this is x86_64" if status is Status.WRONG_DEVICE else "",
        conditions="n=1,200 in 5 processes, clean 97 %",
        checks=(*met, check(status), *more),
    )


def model(role: str = "candidate", **changes: Any) -> GatedModel:
    """Return one of the measured models."""
    figures = tuple(measurement(metric) for metric in _VALUES)
    made = GatedModel(role, f"the {role}", "c0ffee" * 10, "onnx", "onnxruntime", "1.31.1", figures)
    return replace(made, **changes)


def report(*verdicts: Verdict, **changes: Any) -> GateReport:
    """Return a report with these verdicts."""
    made = GateReport(
        created="2026-11-21T08:15:30+00:00",
        repeat="edgepress gate model --data test.csv --seed 7",
        tier="ci",
        seed=7,
        looks=2,
        looks_most=3,
        seconds=71.25,
        overhead=0.083,
        machine={"cpu_model": "Invented 9000", "arch": "x86_64", "fingerprint": "0123456789abcdef"},
        models=(model(), model("reference")),
        verdicts=verdicts,
    )
    return replace(made, **changes)


def hostile(text: str = HOSTILE) -> GateReport:
    """Return a report that has this text wherever text comes from outside."""
    checks = (
        check(Status.FAIL, why=text),
        check(Status.INCONCLUSIVE, "latency_p50_ms", why=text),
        check(Status.FAIL, "rss_peak_mb", lenient=text),
    )
    return report(
        Verdict(text, Status.FAIL, checks, text, text),
        repeat=text,
        created=text,
        tier=text,
        machine={"cpu_model": text, "arch": text, "fingerprint": text},
        models=(model(name=text, digest=text, runtime=text, format=text, runtime_version=text),),
        noise=(text,),
        warnings=(text,),
        faults=(Fault(text, text),),
    )


def huge(checks: int = 4_000) -> GateReport:
    """Return a report with so many checks that no job summary holds them all."""
    every = tuple(
        check(
            Status.PASS if number % 3 else Status.FAIL if number % 2 else Status.INCONCLUSIVE,
            f"throughput_b{number + 1}_c1_rows_per_s",
            why="on a machine that was rather busy at the time, " * 3,
        )
        for number in range(checks)
    )
    return report(Verdict("first", Status.FAIL, every), Verdict("second", Status.FAIL, every[:9]))


EVERY = {
    **{status.value: report(verdict(status)) for status in Status},
    "waived": report(verdict(Status.PASS, "local", waived())),
    "warned": report(verdict(Status.PASS, "local", warning(), warning(Status.INCONCLUSIVE))),
    "fault": report(verdict(), faults=(Fault("candidate", WORDS), Fault("reference", ""))),
    "no verdicts": report(models=()),
    "no budgets": report(Verdict("bare", Status.PASS, ())),
    "two": report(verdict(Status.FAIL), verdict(Status.WRONG_DEVICE, "raspberry-pi-5")),
    "hostile": hostile(),
}
"""One report of each kind, by what it shows."""

"""How a report's numbers and judgements read: the one place where figures become text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compress.report.schema import (
    Check,
    Figures,
    Interval,
    Measurement,
    Report,
    RowCounts,
    StageRow,
    Status,
    Summary,
    Verdict,
)

MISSING = "–"
SIGNS: dict[Status, str] = {
    "PASS": "✓",
    "FAIL": "✕",
    "INCONCLUSIVE": "?",
    "NOT_MEASURED": "○",
    "WRONG_DEVICE": "≠",
}
WORDS: dict[Status, str] = {
    "PASS": "PASS",
    "FAIL": "FAIL",
    "INCONCLUSIVE": "INCONCLUSIVE",
    "NOT_MEASURED": "NOT MEASURED",
    "WRONG_DEVICE": "WRONG DEVICE",
}
MEANINGS: dict[Status, str] = {
    "PASS": "every budget that binds is met, with the confidence it asks for",
    "FAIL": "a budget is broken",
    "INCONCLUSIVE": "the measurement cannot tell; measure more, or on a quieter machine",
    "NOT_MEASURED": "a budget was not measured",
    "WRONG_DEVICE": "measured on another device than the profile's; that proves nothing of it",
}

_METRICS = {
    "accuracy": "accuracy",
    "accuracy_retention": "accuracy retention",
    "artifact_mb": "model size",
    "cold_start_ms": "cold start",
    "f1_macro": "macro F1",
    "rss_peak_mb": "peak memory",
    "sustained_p90_ratio": "sustained latency p90",
}
_SIGNIFICANT = 3


def number(value: float | None) -> str:
    """Write a number with three significant digits, and all digits left of the point."""
    if value is None:
        return MISSING
    size = abs(value)
    decimals = next((d for d, edge in enumerate((100, 10, 1)) if size >= edge), _SIGNIFICANT)
    return f"{value:,.{decimals}f}"


def percent(value: float | None) -> str:
    """Write a fraction as percent with one decimal."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def ratio(value: float | None) -> str:
    """Write a ratio: 8.1×, 19×."""
    if value is None:
        return MISSING
    return f"{value:.0f}×" if value >= 10 else f"{value:.2g}×" if value < 0.1 else f"{value:.1f}×"


def milliseconds(value: float | None) -> str:
    """Write a latency without its unit."""
    return number(value)


def megabytes(value: float | None) -> str:
    """Write a size in MB without its unit."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def seconds(value: float | None) -> str:
    """Write a duration: 0.4 s, 12 s, 3 min 05 s."""
    if value is None:
        return MISSING
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def parameters(count: int | None) -> str:
    """Write a count of parameters: 22.7 M, 512 k."""
    if count is None:
        return MISSING
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f} {letter}"
    return str(count)


def percent_interval(interval: Interval) -> str:
    """Write a fraction and its bounds: 99.1 % [98.2, 99.9]."""
    if interval.value is None or interval.lower is None or interval.upper is None:
        return percent(interval.value)
    return f"{percent(interval.value)} [{100 * interval.lower:.1f}, {100 * interval.upper:.1f}]"


def ratio_interval(interval: Interval) -> str:
    """Write a ratio and its bounds: 8.1× [7.9, 8.4]."""
    if interval.value is None or interval.lower is None or interval.upper is None:
        return ratio(interval.value)
    bounds = f"{ratio(interval.lower)}, {ratio(interval.upper)}".replace("×", "")
    return f"{ratio(interval.value)} [{bounds}]"


def metric(name: str) -> str:
    """Write a metric's name in words: latency_p90_ms is "latency p90"."""
    if name in _METRICS:
        return _METRICS[name]
    stem, _, unit = name.rpartition("_")
    return (stem if stem and unit in ("ms", "mb", "s") else name).replace("_", " ")


def quantity(value: float | None, unit: str) -> str:
    """Write a value in its unit: 6.21 ms, 99.1 %, 1.15×."""
    if value is None:
        return MISSING
    match unit:
        case "fraction":
            return percent(value)
        case "ratio":
            return f"{number(value)}×"
        case "MB":
            return f"{megabytes(value)} MB"
        case _:
            return f"{number(value)} {unit}".rstrip()


def requirement(check: Check) -> str:
    """Write what a budget asks for, in the digits it was given in: ≤ 8 ms, ≥ 97 %."""
    sign = "≤" if check.bound == "max" else "≥"
    match check.unit:
        case "fraction":
            return f"{sign} {100 * check.limit:.6g} %"
        case "ratio":
            return f"{sign} {check.limit:g}×"
        case _:
            return f"{sign} {check.limit:g} {check.unit}".rstrip()


def measured(check: Check) -> str:
    """Write what was measured against a budget: 6.21 ms [5.90, 6.60]."""
    text = quantity(check.value, check.unit)
    if check.value is None or (check.lower is None and check.upper is None):
        return text
    lower, upper = (quantity(bound, check.unit) for bound in (check.lower, check.upper))
    return f"{text} [{_bare(lower)}, {_bare(upper)}]"


def confidence(check: Check) -> str:
    """Write a check's confidence: 95 %."""
    return MISSING if check.confidence is None else f"{100 * check.confidence:g} %"


def gains(summary: Summary) -> str:
    """Say what the model keeps and gains: accuracy, speed and size against the teacher."""
    kept = percent_interval(summary.retention).partition(" [")
    parts = []
    if summary.retention.value is not None:
        parts = [f"{kept[0]} of the teacher's accuracy{kept[1]}{kept[2]}"]
    parts += _times(summary.speedup.value, "faster", "slower")
    parts += _times(summary.compression, "smaller", "larger")
    return ", ".join(parts) or "nothing measured yet"


def headline(verdict: Verdict, summary: Summary | None) -> str:
    """Say a verdict in one line, in plain words."""
    said = f"{WORDS[verdict.status]} on {verdict.profile}"
    return f"{said} — {gains(summary)}" if summary else said


def deciding(verdict: Verdict) -> tuple[Check, ...]:
    """Return the checks that made the verdict what it is; none for a PASS."""
    if verdict.status == "PASS":
        return ()
    found = tuple(row for row in verdict.checks if row.status == verdict.status)
    return tuple(row for row in found if row.level == "error") or found


def check_sentence(check: Check) -> str:
    """Say one check in a sentence's length: latency p90 6.21 ms [5.90, 6.60], budget ≤ 8 ms."""
    if check.value is None:
        said = f"{metric(check.metric)}, budget {requirement(check)}"
    else:
        said = f"{metric(check.metric)} {measured(check)}, budget {requirement(check)}"
    return f"{said}: {check.why}" if check.why else said


def table_rows(report: Report) -> tuple[StageRow, ...]:
    """Return the stage rows, the teacher's first where no stage made it."""
    if report.summary is None or any(row.teacher for row in report.stages):
        return report.stages
    figures = report.summary.teacher
    shared = {name: getattr(figures, name) for name in figures.__dataclass_fields__}
    unity = Interval(1.0)
    teacher = StageRow(
        kind="teacher", name="teacher", teacher=True, retention=unity, speedup=unity, **shared
    )
    return (teacher, *report.stages)


def run_as(row: Figures) -> str:
    """Say what a model is and what ran it: onnx · int8 · onnxruntime."""
    return " · ".join(part for part in (row.format, row.precision, row.runtime) if part)


def counted(verdict: Verdict) -> str:
    """Count a verdict's checks: 3 of 4 budgets met, and 0 of 1 that only warn."""
    met = {
        level: [check.status == "PASS" for check in verdict.checks if check.level == level]
        for level in ("error", "warn")
    }
    said = f"{sum(met['error'])} of {len(met['error'])} budgets met"
    warns = f", and {sum(met['warn'])} of {len(met['warn'])} that only warn" if met["warn"] else ""
    return said + warns


def listed(values: Sequence[str]) -> str:
    """Join words with commas; a dash for none."""
    return ", ".join(values) or MISSING


def tools(report: Report) -> str:
    """List the packages and their versions."""
    return listed([f"{name} {version}" for name, version in sorted(report.tools.items())])


def environment_facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what a reader needs to know of the machine and the measurement, as name and text."""
    if (machine := report.environment) is not None:
        yield "machine", f"{machine.cpu}, {machine.cores} cores, {machine.arch}"
        if machine.memory_mb is not None:
            yield "memory", f"{machine.memory_mb / 1000:.1f} GB"
        yield "instructions", listed(machine.isa)
        yield "system", ", ".join(filter(None, (machine.os, machine.python)))
        yield "fingerprint", machine.fingerprint or MISSING
        yield from machine.facts.items()
    if (seen := report.measurement) is not None:
        yield "measured", _amount(seen)
    if (rows := report.rows) is not None:
        yield "rows", row_counts(rows)
    yield "made", f"{report.created}, seed {report.seed}"


def _amount(seen: Measurement) -> str:
    text = (
        f"{seen.samples:,} samples in {seen.processes} processes × {seen.blocks} blocks,"
        f" {seen.threads} {'thread' if seen.threads == 1 else 'threads'}"
    )
    share = seen.clean_share
    return text if share is None else f"{text}, {percent(share)} of them undisturbed"


def row_counts(rows: RowCounts) -> str:
    """Count the rows in words: 8,502 train, 1,501 validation, …"""
    text = (
        f"{rows.train:,} train, {rows.validation:,} validation, {rows.test:,} test,"
        f" {rows.classes:,} classes"
    )
    extra = (
        (rows.unlabeled, "unlabelled"),
        (rows.duplicates, "duplicates"),
        (rows.dropped, "dropped"),
    )
    return text + "".join(f", {count:,} {word}" for count, word in extra if count)


def _bare(text: str) -> str:
    return text.split(" ", 1)[0].rstrip("×")


def _times(value: float | None, more: str, less: str) -> list[str]:
    if value is None or value <= 0:
        return []
    if ratio(value) == ratio(1.0):
        return [f"not {more}"]
    return [f"{ratio(value)} {more}" if value >= 1 else f"{ratio(1 / value)} {less}"]

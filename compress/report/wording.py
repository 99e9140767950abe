"""Write a report's verdicts, machine and rows in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from compress.report import units
from compress.report.schema import (
    ACCURACY,
    CheckRow,
    ClassRow,
    Estimate,
    ModelFigures,
    Report,
    RowCounts,
    SampleCounts,
    Search,
    StageRow,
    Status,
    Summary,
    VerdictRow,
)
from profiles import gate
from profiles.gate import advice_lines as joined_advice
from profiles.plural import plural

GRAVITY: tuple[Status, ...] = ("FAIL", "WRONG_DEVICE", "INCONCLUSIVE", "NOT_MEASURED", "PASS")
"""The statuses, the gravest first, as the gate ranks them."""
SIGNS = {status.value: status.sign for status in gate.Status}
WORDS = {status.value: status.words for status in gate.Status}
MEANINGS: dict[Status, str] = {
    "PASS": "every budget that counts is met, at its confidence",
    "FAIL": "at least one budget is broken",
    "INCONCLUSIVE": "no budget is broken, but at least one is not decided by what was measured",
    "NOT_MEASURED": "at least one budget was not measured",
    "WRONG_DEVICE": "measured on another device, so nothing is known of the profile's",
}

CLASS_COLUMNS = ("class", "retention", "rows", "teacher right", "right", "lost to")
CLASSES_NOTE = (
    "Retention is what the class has right divided by what the teacher has right of it. Each"
    " interval is for one class alone: of many classes, the lowest figure is low partly by chance."
    " A worst_class_retention budget (for entities: worst_type_recall_retention) judges all classes"
    " together."
)

TRACE_NOTE = (
    "Read between the blocks of runs. The temperature is that of the hottest CPU zone, the clock"
    " that of the core that ran the block. A shaded stretch is one in which the machine slowed"
    " itself down, for heat or lack of power."
)

KL_NOTE = (
    "KL is the Kullback-Leibler divergence in nats: how far the changed model's probabilities lie"
    " from the unchanged model's, as a mean over texts. 0 is best: equal probabilities. Up to"
    " 0.005 no class's probability moves by more than 5 points on average (Pinsker's inequality),"
    " so that few answers change."
)

_TAKEN_FOR = 2
"""Classes that a cell names; report.json has all."""

_METRICS = {
    "accuracy_retention": "accuracy retention",
    "artifact_mb": "size",
    "bounded_r2": "bounded R²",
    "bounded_r2_retention": "bounded R² retention",
    "encode_speedup": "speed-up of encoding",
    "idle_speedup": "speed-up after an idle gap",
    "mae": "mean absolute error",
    "mae_retention": "mean absolute error, the reference's over this",
    "exact_match": "exact match",
    "model_speedup": "speed-up of the model alone",
    "mrr": "MRR",
    "mrr_retention": "MRR retention",
    "f1": "F1",
    "f1_macro": "macro F1",
    "f1_retention": "F1 retention",
    "ndcg_at_10": "nDCG at 10",
    "ndcg_at_10_retention": "nDCG at 10's retention",
    "nearest_neighbour_accuracy": "nearest-neighbour accuracy",
    "nearest_neighbour_accuracy_retention": "nearest-neighbour accuracy's retention",
    "r2": "R²",
    "recall_at_10": "recall at 10",
    "recall_at_10_retention": "recall at 10's retention",
    "retention_binary_vectors": "retention with binary vectors",
    "retention_int8_vectors": "retention with INT8 vectors",
    "rmse": "root mean squared error",
    "rss_peak_mb": "peak memory",
    "similarity_spearman": "rank correlation of similarities",
    "spearman": "Spearman's rank correlation",
    "speedup": "speed-up",
    "sustained_p90_ratio": "sustained latency p90",
    "worst_class_retention": "worst class's retention",
    "worst_label_recall_retention": "worst label's recall retention",
    "worst_question_retention": "worst kind of question's retention",
    "worst_range_retention": "worst range's retention",
    "worst_size_retention": "worst group size's retention",
    "worst_type_recall_retention": "worst type's recall retention",
}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def metric(name: str) -> str:
    """Write a metric's name in words: latency_p90_ms is "latency p90"."""
    if name in _METRICS:
        return _METRICS[name]
    stem, _, unit = name.rpartition("_")
    return (stem if stem and unit in ("ms", "mb", "s") else name).replace("_", " ")


def class_cells(row: ClassRow) -> tuple[str, ...]:
    """Write a class's cells, as CLASS_COLUMNS heads them."""
    return (
        *(row.label, units.percent_interval(row.retention), str(row.rows)),
        *(str(row.teacher_right), str(row.right), taken_for(row) or units.MISSING),
    )


def taken_for(row: ClassRow) -> str:
    """Name the classes that a class's lost rows are mostly taken for."""
    most = list(row.confused.items())[:_TAKEN_FOR]
    return ", ".join(f"{label} {count}" for label, count in most)


def requirement(check: CheckRow) -> str:
    """Write what a budget asks for, in the digits it was given in: ≤ 8 ms, ≥ 97 %."""
    sign = "≤" if check.bound == "max" else "≥"
    match check.unit:
        case "fraction":
            return f"{sign} {100 * check.limit:.6g} %"
        case "ratio":
            return f"{sign} {check.limit:g}×"
        case _:
            return f"{sign} {check.limit:g} {check.unit}".rstrip()


def measured(check: CheckRow) -> str:
    """Write what was measured against a budget: 6.21 ms [5.90, 6.60]."""
    text = units.quantity(check.value, check.unit)
    if check.lower == check.value == check.upper:
        return text  # an exact figure: a size, a count
    return units.with_bounds(
        text, [units.quantity(bound, check.unit) for bound in (check.lower, check.upper)]
    )


def confidence(check: CheckRow) -> str:
    """Write a check's confidence: 95 %."""
    return units.MISSING if check.confidence is None else f"{100 * check.confidence:.4g} %"


def moment(created: str) -> str:
    """Write an ISO time to the minute: 21 November 2026, 05:20 UTC."""
    try:
        when = datetime.fromisoformat(created).astimezone(UTC)
    except ValueError:
        return created
    return f"{when.day} {_MONTHS[when.month - 1]} {when:%Y, %H:%M} UTC"


def score_name(report: Report) -> str:
    """Return what the task's score is called, such as "accuracy" or "entity F1"."""
    if report.summary is not None:
        return report.summary.model.score_name
    if report.search is not None:
        return report.search.score_name
    return report.stages[0].score_name if report.stages else ACCURACY


def gains(summary: Summary) -> str:
    """Say what the model keeps and gains: its score, speed and size against the teacher."""
    kept = units.percent_interval(summary.retention).partition(" [")
    parts = []
    if summary.retention.value is not None:
        parts = [f"{kept[0]} of the teacher's {summary.model.score_name}{kept[1]}{kept[2]}"]
    faster = _times(summary.speedup.value, "faster", "slower")
    alone = summary.model_speedup.value
    if faster and alone is not None:
        faster = [f"{faster[0]} (the model alone {units.ratio(alone)})"]
    parts += faster
    parts += _times(summary.compression, "smaller", "larger")
    return ", ".join(parts) or "nothing measured yet"


def headline(verdict: VerdictRow, summary: Summary | None) -> str:
    """Say a verdict in one line, in plain words."""
    said = f"{WORDS[verdict.status]} on {verdict.profile}"
    return f"{said} — {gains(summary)}" if summary else said


def deciding(verdict: VerdictRow) -> tuple[CheckRow, ...]:
    """Return the checks that keep the verdict from PASS; none for a PASS."""
    if verdict.status == "PASS":
        return ()
    binding = tuple(row for row in verdict.checks if row.level == "error" and row.status != "PASS")
    if verdict.status == "INCONCLUSIVE":
        return binding  # what was not measured leaves it as open as what is undecided
    return tuple(row for row in binding if row.status == verdict.status) or binding


def reasons(verdict: VerdictRow) -> list[str]:
    """Say why a verdict is not PASS, one sentence for each reason; nothing for a PASS."""
    told = [verdict.why] if verdict.why else []
    return told + [check_sentence(row) for row in deciding(verdict)]


def advice_lines(verdict: VerdictRow) -> tuple[str, ...]:
    """Say what to do next, a line for each piece of advice; nothing for a PASS."""
    return joined_advice([(metric(row.metric), row.advice) for row in verdict.checks])


def check_sentence(check: CheckRow) -> str:
    """Write one check in one sentence: latency p90 6.21 ms [5.90, 6.60], budget ≤ 8 ms."""
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
    unity = Estimate(1.0)
    teacher = StageRow(
        kind="teacher",
        name="teacher",
        teacher=True,
        retention=unity,
        speedup=unity,
        model_speedup=unity,
        idle_speedup=unity,
        **shared,
    )
    return (teacher, *report.stages)


def run_as(row: ModelFigures) -> str:
    """Say what a model is and what ran it: onnx · int8 · onnxruntime."""
    return " · ".join(part for part in (row.format, row.precision, row.runtime) if part)


def counted(verdict: VerdictRow) -> str:
    """Count a verdict's checks: 3 of 4 budgets met, and 0 of 1 that only warn."""
    if not verdict.checks:
        return "the profile names no budgets"
    met = {
        level: [check.status == "PASS" for check in verdict.checks if check.level == level]
        for level in ("error", "warn")
    }
    said = f"{sum(met['error'])} of {len(met['error'])} budgets met"
    warns = f", and {sum(met['warn'])} of {len(met['warn'])} that only warn" if met["warn"] else ""
    return said + warns


def conditions(verdict: VerdictRow) -> str:
    """Write how a verdict was measured: the columns of a terminal become a list."""
    return ", ".join(part for part in verdict.conditions.split("  ") if part)


def listed(values: Sequence[str]) -> str:
    """Join words with commas; a dash for none."""
    return ", ".join(values) or units.MISSING


def tools(report: Report) -> str:
    """List the packages and their versions."""
    return listed([f"{name} {version}" for name, version in sorted(report.tools.items())])


def environment_facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what a reader needs to know of the machine and the measurement, as name and text."""
    if (machine := report.environment) is not None:
        yield "machine", f"{machine.cpu}, {machine.cores} cores, {machine.arch}"
        if machine.memory_mb is not None:
            yield "memory", f"{machine.memory_mb / 1024:.1f} GiB"
        yield "instructions", listed(machine.isa)
        yield "system", machine.os + (f", Python {machine.python}" if machine.python else "")
        yield "fingerprint", machine.fingerprint or units.MISSING
        yield from ((name.replace("_", " "), text) for name, text in machine.facts.items())
    if (seen := report.measurement) is not None:
        yield "measured", _amount(seen)
    if (rows := report.rows) is not None:
        yield "rows", row_counts(rows)
    yield "made", f"{moment(report.created)}, seed {report.seed}"


def _amount(seen: SampleCounts) -> str:
    share = seen.clean_share
    clean = "" if share is None else f" ({units.percent(share)} undisturbed)"
    return (
        f"{seen.samples:,} samples{clean} in {plural(seen.blocks, 'block')} of"
        f" {plural(seen.processes, 'process')}, {plural(seen.threads, 'thread')}"
    )


def row_counts(rows: RowCounts) -> str:
    """Count the rows in words: 8,502 train, 1,501 validation, …"""
    text = (
        f"{rows.train:,} train, {rows.validation:,} validation, {rows.test:,} test,"
        f" {plural(rows.classes, 'class')}"
    )
    extra = (
        (rows.unlabeled, "unlabeled"),
        (rows.duplicates, "duplicates"),
        (rows.dropped, "dropped"),
    )
    return text + "".join(f", {count:,} {word}" for count, word in extra if count)


def _times(value: float | None, more: str, less: str) -> list[str]:
    if value is None or value <= 0:
        return []
    if units.ratio(value) == units.ratio(1.0):
        return [f"not {more}"]
    return [f"{units.ratio(value)} {more}" if value >= 1 else f"{units.ratio(1 / value)} {less}"]


def rivals(search: Search) -> Iterator[str]:
    """Yield a line for each linear model beside a search's answer."""
    for row in search.rivals:
        known = row.difference
        points = ", ".join(_points(end) for end in (known.lower, known.upper))
        figures = [f"{units.percent(row.accuracy)}, {units.megabytes(row.size_mb)} MB"]
        if row.latency_p50_ms is not None:
            figures.append(f"{units.number(row.latency_p50_ms)} ms (p50)")
        figures += _times(row.speedup.value, "faster", "slower")
        figures += _times(row.compression, "smaller", "larger")
        beaten = (
            ". It beats the answer at its size: it is not larger, and the answer is not surely more"
            " accurate"
        )
        yield (
            f"{row.name}: {', '.join(figures)}; the answer less this: {_points(known.value)} points"
            f" [{points}]{beaten if row.wins else ''}"
        )


def _points(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:+.1f}"

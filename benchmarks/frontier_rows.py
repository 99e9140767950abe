"""The frontier's rows: every model measured in one session, as figures, a table and a drawing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from compress.data.rows import Rows
from compress.judge.evaluation import Candidate, Evaluation, Measured, Outcome
from compress.judge.evidence import stage_row
from compress.judge.judging import measure_and_judge
from compress.progress import Progress
from compress.report import scatter
from compress.report.html import templates
from compress.report.schema import StageRow
from profiles.job import Job
from runtimes.artifact import Artifact
from runtimes.runtime import runs_in

SPEEDUPS = ("speedup", "model_speedup", "idle_speedup")
"""From text to label, of the model alone, and after an idle gap."""
STEPS = (3, 5, 10, 15, 20, 30)
"""The speed-ups at which the front is read."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Name a deployable model; `role` is teacher, artifact, seed, front or peer."""

    name: str
    role: str
    version: str
    artifact: Artifact
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def measured_together(
    contestants: Sequence[Contestant],
    rows: Rows,
    *,
    tier: str,
    seed: int,
    progress: Progress,
    shared: Path | None,
) -> Outcome:
    """Measure every contestant, interleaved on the same rows, beside the first: the teacher.

    A contestant whose process fails keeps its samples; the others go on.
    """
    asked = Evaluation(
        candidates=[
            Candidate(
                one.name,
                one.artifact,
                runs_in(one.artifact.format),
                deployable=one.role in ("teacher", "artifact", "peer"),
            )
            for one in contestants
        ],
        judged=contestants[0].name,
        reference=contestants[0].name,
        rows=rows,
        profiles=(),
        tier=tier,
        seed=seed,
        threads=1,
    )
    return measure_and_judge(asked, device=Job(), progress=progress, shared=shared)


def figures(one: Contestant, measured: Measured) -> dict[str, Any]:
    """Return a contestant's figures by name; fractions, MB of 10^6 bytes, milliseconds.

    `latency_…` and `speedup` are from text to label, `model_…` of the model's part alone, `idle_…`
    after an idle gap; `size_mb` counts all that must be shipped to answer. Bounds hold with 95 %
    confidence each. The teacher's ratios to itself are 1 by definition.
    """
    known = {"value": 1.0, "lower": 1.0, "upper": 1.0}
    teacher = one.role == "teacher"
    retention = known if teacher else _interval(measured, "accuracy_retention")
    speedups = {name: known if teacher else _interval(measured, name) for name in SPEEDUPS}
    return {
        "name": one.name,
        "version": one.version,
        "accuracy": measured.value("accuracy"),
        "size_mb": round(one.artifact.size_mb, 4),
        "latency_p50_ms": measured.value("latency_p50_ms"),
        "latency_p90_ms": measured.value("latency_p90_ms"),
        "encode_latency_p50_ms": measured.value("encode_latency_p50_ms"),
        "model_latency_p50_ms": measured.value("model_latency_p50_ms"),
        "idle_latency_p50_ms": measured.value("idle_latency_p50_ms"),
        **{name: row["value"] for name, row in speedups.items()},
        **{f"{name}_bounds": _ends(row) for name, row in speedups.items()},
        "compression": 1.0 if teacher else measured.value("compression"),
        "retention": retention,
        "cold_start_p50_ms": measured.value("cold_start_p50_ms"),
        "rss_peak_mb": measured.value("rss_peak_mb"),
        "runtime": measured.candidate.runtime,
        "parameters": one.artifact.parameters,
        "digest": one.artifact.digest,
        "fault": measured.samples.fault,
        **one.notes,
    }


def _interval(measured: Measured, metric: str) -> dict[str, float | None]:
    known = measured.measurements.get(metric)
    if known is None:
        return {"value": None, "lower": None, "upper": None}
    return {"value": known.value, "lower": known.lower, "upper": known.upper}


def _ends(row: Mapping[str, float | None]) -> dict[str, float | None]:
    return {key: row[key] for key in ("lower", "upper")}


def front_at(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each of STEPS, the row with the most retention among those at least that fast."""
    steps = []
    for step in STEPS:
        fast = [row for row in rows if (row["speedup"] or 0.0) >= step and row["accuracy"]]
        best = max(fast, key=lambda row: row["accuracy"], default=None)
        steps.append({"speedup_least": step, **(dict(best) if best else {"name": None})})
    return steps


_SPREAD = ("retention", "accuracy", *SPEEDUPS, "latency_p50_ms", "size_mb")


def spread(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the mean, the standard deviation and the ends of each figure over the seeds.

    Empty for one seed; a figure that a seed lacks is left out.
    """
    figures_: dict[str, dict[str, float]] = {}
    for name in _SPREAD:
        given = [row["retention"]["value"] if name == "retention" else row[name] for row in rows]
        known = [float(value) for value in given if value is not None]
        if len(known) == len(rows) > 1:
            figures_[name] = {
                "mean": mean(known),
                "deviation": stdev(known),
                "least": min(known),
                "most": max(known),
            }
    return figures_


def spread_table(figures_: Mapping[str, Mapping[str, float]]) -> str:
    """Return the spread over the seeds as a Markdown table."""
    heads = ("figure", "mean", "standard deviation", "least", "most")
    lines = [_line(heads), _line(["---"] * len(heads))]
    for name, known in figures_.items():
        form = "{:.2%}" if name in ("retention", "accuracy") else "{:.3g}"
        cells = (known[key] for key in ("mean", "deviation", "least", "most"))
        lines.append(_line([name, *(form.format(cell) for cell in cells)]))
    return "\n".join(lines)


_COLUMNS = (
    *("", "accuracy", "retention", "MB", "smaller", "p50 ms", "speed-up"),
    *("model alone p50 ms", "model alone", "after an idle gap"),
)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *(_line(_cells(r)) for r in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Mapping[str, Any]) -> list[str]:
    kept = row["retention"]
    whole, alone, idle = (
        _bounded(row[name], row[f"{name}_bounds"], "{:.1f}×") for name in SPEEDUPS
    )
    return [
        f"{row['name']} {row['version']}".strip(),
        _number(row["accuracy"], "{:.2%}"),
        _bounded(kept["value"], kept, "{:.1%}"),
        _number(row["size_mb"], "{:.2f}"),
        _number(row["compression"], "{:.1f}×"),
        _number(row["latency_p50_ms"], "{:.3f}"),
        whole,
        _number(row["model_latency_p50_ms"], "{:.3f}"),
        alone,
        idle,
    ]


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _bounded(value: float | None, bounds: Mapping[str, float | None], form: str) -> str:
    ends = ", ".join(_number(bounds[key], form) for key in ("lower", "upper"))
    return f"{_number(value, form)} [{ends}]"


_PAGE = """
{% extends "page.html.j2" %}
{% from "parts.html.j2" import scatter %}
{% block title %}The frontier{% endblock %}
{% block main %}
<h1>The frontier</h1>
{% for drawing in drawings %}{{ scatter(drawing) }}{% endfor %}
<p>{% for name in names %}{{ loop.index }} {{ name }}{{ ", " if not loop.last }}{% endfor %}</p>
<pre>{{ said }}</pre>
{% endblock %}
"""


def page(contestants: Sequence[Contestant], outcome: Outcome, said: str) -> str:
    """Return an HTML page with the drawing of all contestants above the table."""
    rows = [_drawn(one, outcome.of(one.name)) for one in contestants]
    template = templates().from_string(_PAGE)
    return template.render(
        drawings=scatter.drawings(rows), names=[row.name for row in rows], said=said
    )


def _drawn(one: Contestant, measured: Measured) -> StageRow:
    return stage_row(
        measured,
        made=one.artifact,
        name=one.name,
        kind=one.role,
        cached=False,
        teacher=one.role == "teacher",
        selected=one.role == "artifact",
    )

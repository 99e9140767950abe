"""A gate's verdicts as one HTML file that needs nothing but a browser."""

from __future__ import annotations

from compress.judge import evidence
from compress.report import gate_wording, headroom, phases
from compress.report.gate_report import GateReport
from compress.report.html import page
from profiles.gate import shown


def render(report: GateReport) -> str:
    """Return a self-contained HTML document: the worst verdict first."""
    verdicts = [evidence.verdict(one) for one in gate_wording.verdicts_worst_first(report.verdicts)]
    by_model = [{row.metric: row for row in model.figures} for model in report.models]
    metrics = dict.fromkeys(metric for figures in by_model for metric in figures)
    return page(
        "gate",
        report=report,
        verdicts=verdicts,
        axis=headroom.axis_of(verdicts),
        figures=[(name, [shown(one.get(name)) for one in by_model]) for name in metrics],
        phases=phases.drawing(report.package.get("phases_ms") or {}),
        layout=phases,
    )

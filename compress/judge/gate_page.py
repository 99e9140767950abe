"""A gate's verdicts as one HTML file that needs nothing but a browser."""

from __future__ import annotations

from compress.judge import evidence
from compress.report import gate_wording, headroom, phases
from compress.report.gate_report import GateReport
from compress.report.html import page
from profiles.gate import shown

_COMMANDS = ("gate", "judge", "validate")
_UNITS = {"ratio": "", "fraction": ""}
"""Units whose numbers say all; others stand beside the metric's name."""


def render(report: GateReport) -> str:
    """Return a self-contained HTML document: the worst verdict first."""
    verdicts = [evidence.verdict(one) for one in gate_wording.verdicts_worst_first(report.verdicts)]
    by_model = [{row.metric: row for row in model.figures} for model in report.models]
    metrics = {metric: row.unit for figures in by_model for metric, row in figures.items()}
    return page(
        "gate",
        report=report,
        verdicts=verdicts,
        axis=headroom.axis_of(verdicts),
        figures=[
            (name, _UNITS.get(unit, unit), [shown(one.get(name)) for one in by_model])
            for name, unit in metrics.items()
        ],
        command=next((one for one in report.repeat.split()[:2] if one in _COMMANDS), "gate"),
        phases=phases.drawing(report.package.get("phases_ms") or {}),
        layout=phases,
    )

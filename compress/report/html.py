"""The report as one HTML file that needs nothing but a browser: no network, no script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from operator import attrgetter
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from compress.report import headroom, scatter, timeline, units, wording
from compress.report.schema import Estimate, Report, Search, SearchTrial, StageRow, Summary

_EXCLUDED = "excluded "
"""How the metrics begin that say what each node costs that quantization left in fp32."""


def render(report: Report) -> str:
    """Return the report as a self-contained HTML document."""
    rows = wording.table_rows(report)
    return page(
        "report",
        report=report,
        rows=rows,
        verdicts=sorted(report.verdicts, key=lambda row: wording.GRAVITY.index(row.status)),
        figures=_key_figures(report.summary) if report.summary else (),
        settings=[
            (f"{number}. {row.name}", texts)
            for number, row in enumerate(rows, 1)
            if (texts := list(_setting_texts(row)))
        ],
        excluded=any(name.startswith(_EXCLUDED) for row in rows for name in row.metrics),
        axis=headroom.axis_of(report.verdicts),
        drawings=scatter.drawings(rows),
        timelines=timeline.timelines(report),
        rivals=tuple(wording.rivals(report.search)) if report.search else (),
        search_drawings=_search_drawings(report.search) if report.search else (),
    )


def page(template: str, **values: Any) -> str:
    """Fill in one of the templates, which escape every value; return a whole document."""
    return templates().get_template(f"{template}.html.j2").render(values) + "\n"


@cache
def templates() -> Environment:
    """Return the templates, which refuse names that they do not know."""
    made = Environment(
        loader=PackageLoader("compress.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"units": units, "wording": wording}
    made.globals |= {"headroom": headroom, "bar_of": headroom.Bar}
    made.filters["coded"] = _coded
    made.filters["sentence"] = lambda text: f"{text[0].upper()}{text[1:]}"
    return made


def _coded(text: str) -> Markup:
    """Escape a text, and set what stands between backticks as code."""
    parts = (
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(text.split("`"))
    )
    return Markup("").join(parts)


def _key_figures(summary: Summary) -> Iterator[tuple[str, str, str]]:
    """Yield each known figure's name, the model's figure, and a note: bounds or the teacher's."""
    for name, written in (
        ("retention", units.percent_interval(summary.retention)),
        ("speed-up", units.ratio_interval(summary.speedup)),
        ("model's part alone", units.ratio_interval(summary.model_speedup)),
        ("after an idle gap", units.ratio_interval(summary.idle_speedup)),
    ):
        value, bracket, bounds = written.partition(" [")
        if value != units.MISSING:
            yield name, value, f"[{bounds}" if bracket else "of the teacher's"
    teacher, model = summary.teacher, summary.model
    for name, read, unit in (
        ("size", attrgetter("size_mb"), "MB"),
        ("latency p50", attrgetter("latency_p50_ms"), "ms"),
        ("latency p90", attrgetter("latency_p90_ms"), "ms"),
        ("model's part p50", attrgetter("model_latency_p50_ms"), "ms"),
        ("encoding p50", attrgetter("encode_latency_p50_ms"), "ms"),
        ("after an idle gap p50", attrgetter("idle_latency_p50_ms"), "ms"),
        (model.score_name, attrgetter("judged.value"), "fraction"),
        ("peak memory", attrgetter("rss_peak_mb"), "MB"),
        ("cold start", attrgetter("cold_start_ms"), "ms"),
        ("parameters", attrgetter("parameters"), "parameters"),
    ):
        before, after = (_figure(read(side), unit) for side in (teacher, model))
        if after != units.MISSING:
            yield name, after, "" if before == units.MISSING else f"from {before}"


def _figure(value: float | None, unit: str) -> str:
    match unit:
        case "fraction":
            return units.percent(value)
        case "parameters":
            return units.parameters(None if value is None else int(value))
        case _:
            return units.quantity(value, unit)


def _setting_texts(row: StageRow) -> Iterator[str]:
    """Yield a stage's settings, what it reports, and its artifact's digest."""
    if row.settings:
        yield "; ".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}"
            for key, value in row.settings.items()
        )
    if row.metrics:
        yield "; ".join(f"{key}: {_metric(value)}" for key, value in row.metrics.items())
    if row.digest:
        yield f"sha256 {row.digest[:16]}"


def _metric(value: float | None) -> str:
    return units.MISSING if value is None else f"{value:.6g}"


def _search_drawings(search: Search) -> list[scatter.Drawing]:
    rows = [_drawn(search, trial) for trial in search.trials]
    return scatter.drawings(rows, "search-")


def _drawn(search: Search, trial: SearchTrial) -> StageRow:
    """Return a trial as a row that can be drawn."""
    return StageRow(
        kind="search",
        name=trial.name,
        format="",
        precision="",
        size_mb=trial.size_mb,
        score=Estimate(trial.accuracy),
        score_name=search.score_name,
        latency_p50_ms=trial.latency_p50_ms,
        selected=trial.name == search.answer,
    )

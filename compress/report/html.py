"""The report as one HTML file that needs nothing but a browser: no network, no script."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from compress.report import html_search, html_tables, scatter, units, wording
from compress.report.markup import Child, Markup, join, tag
from compress.report.schema import Figures, Report, StageRow, Status, Verdict

GRAVITY: tuple[Status, ...] = ("FAIL", "WRONG_DEVICE", "INCONCLUSIVE", "NOT_MEASURED", "PASS")
"""From the status that matters most to the one that matters least, as the gate ranks them."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render(report: Report) -> str:
    """Return the report as a self-contained HTML document."""
    rows = wording.table_rows(report)
    body = tag(
        "main",
        _masthead(report),
        _verdicts(report),
        _key_figures(report),
        _section("Accuracy against latency", _trade(rows)),
        _section("Stages", html_tables.stages(rows), html_tables.settings(rows)),
        _budgets(report),
        _classes(report),
        _section("Search", html_search.render(report.search)) if report.search else None,
        _section("Rows and warnings", _rows_and_warnings(report)),
        _section("Environment", _environment(report)),
        _section("Repeat it", _command(report)),
    )
    judged = "".join(f": {wording.WORDS[row.status]}" for row in _worst_first(report)[:1])
    return document(f"{report.name}{judged}", body)


def document(title: str, body: Markup) -> str:
    """Return a whole document, with its style inside."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · edgepress"),
        tag("style", Markup(_style())),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', body), lang='en')}\n"


def _style() -> str:
    return files("compress.report").joinpath("report.css").read_text(encoding="utf-8")


def _worst_first(report: Report) -> list[Verdict]:
    return sorted(report.verdicts, key=lambda row: GRAVITY.index(row.status))


def _section(heading: str, *children: Child) -> Markup:
    return tag("section", tag("h2", heading), *children)


def _masthead(report: Report) -> Markup:
    return tag(
        "header",
        tag("span", report.name, class_="name"),
        tag("span", f"edgepress report · {wording.moment(report.created)}"),
        class_="masthead",
    )


def _verdicts(report: Report) -> Child:
    said = wording.gains(report.summary) if report.summary else "nothing measured yet"
    if not report.verdicts:
        words = "No verdict" if report.complete else "Not finished"
        return tag("div", tag("h1", words), tag("p", said, class_="gains"), class_="verdict open")
    first, *others = _worst_first(report)
    return [_verdict(first, said), *(_verdict(row, None) for row in others)]


def _verdict(verdict: Verdict, said: str | None) -> Markup:
    reasons = [tag("li", reason) for reason in wording.reasons(verdict)]
    words = f"{wording.MEANINGS[verdict.status]} ({wording.counted(verdict)})"
    return tag(
        "div",
        tag(
            "h1" if said else "h2",
            html_tables.badge(verdict.status),
            tag("span", " on ", class_="on"),
            verdict.profile,
        ),
        tag("p", said, class_="gains") if said else None,
        tag("p", f"{words[0].upper()}{words[1:]}.", class_="meaning"),
        tag("ul", reasons, class_="reasons") if reasons else None,
        tag("p", f"Measured: {verdict.conditions}.", class_="note") if verdict.conditions else None,
        class_=f"verdict {html_tables.tone(verdict.status)}",
    )


def _key_figures(report: Report) -> Markup | None:
    if report.summary is None:
        return None
    teacher, model = report.summary.teacher, report.summary.model
    rows = (
        ("accuracy", units.percent(teacher.accuracy), units.percent(model.accuracy)),
        ("latency p50", _ms(teacher.latency_p50_ms), _ms(model.latency_p50_ms)),
        ("latency p90", _ms(teacher.latency_p90_ms), _ms(model.latency_p90_ms)),
        ("size", _mb(teacher.size_mb), _mb(model.size_mb)),
        (
            "parameters",
            units.parameters(teacher.parameters),
            units.parameters(model.parameters),
        ),
        ("peak memory", _mb(teacher.rss_peak_mb), _mb(model.rss_peak_mb)),
        ("cold start", _ms(teacher.cold_start_ms), _ms(model.cold_start_ms)),
    )
    known = [row for row in rows if row[2] != units.MISSING]
    return join(
        [
            tag("dl", [_key_figure(*row) for row in known], class_="figures"),
            tag("p", _compared(teacher, model), class_="note"),
        ]
    )


def _key_figure(name: str, before: str, after: str) -> Markup:
    return tag(
        "div",
        tag("dt", name),
        tag("dd", tag("strong", after), tag("span", f"from {before}", class_="before")),
    )


def _compared(teacher: Figures, model: Figures) -> str:
    return f"Teacher: {wording.run_as(teacher)}. Final model: {wording.run_as(model)}."


def _ms(value: float | None) -> str:
    return units.quantity(value, "ms")


def _mb(value: float | None) -> str:
    return units.quantity(value, "MB")


def _trade(rows: Sequence[StageRow]) -> Markup:
    seen = scatter.points(rows)
    if not seen:
        return tag("p", "No stage has both an accuracy and a latency yet.", class_="note")
    return tag(
        "figure",
        scatter.render(seen, scatter.WIDE, "wide"),
        scatter.render(seen, scatter.NARROW, "narrow"),
        tag(
            "figcaption",
            "Up and to the left is better. The area of a mark is the model's size; whiskers are"
            " the accuracy's interval; the dashed line joins what no other row beats in both."
            " A number is the row in the table below; the filled mark is the final model, the one"
            " with a dark edge the teacher.",
        ),
    )


def _budgets(report: Report) -> Child:
    judged = [verdict for verdict in _worst_first(report) if verdict.checks]
    note = tag(
        "p",
        "Shaded: the side that the budget allows. Dot and whisker: what was measured, with its"
        " interval. A budget is met only when the whole interval lies on that side.",
        class_="note",
    )
    return [
        _section(
            f"Budgets of {verdict.profile}",
            html_tables.budgets(verdict),
            note if verdict is judged[-1] else None,
        )
        for verdict in judged
    ]


def _classes(report: Report) -> Markup | None:
    if not report.classes:
        return None
    note = tag("p", wording.CLASSES_NOTE, class_="note")
    return _section("Classes that keep least", html_tables.classes(report.classes), note)


def _rows_and_warnings(report: Report) -> Markup:
    counts = wording.row_counts(report.rows) if report.rows else "not counted"
    warnings = [tag("li", text) for text in report.warnings]
    return join(
        [
            tag("p", f"{counts[0].upper()}{counts[1:]}."),
            tag("ul", warnings, class_="warnings")
            if warnings
            else tag("p", "No warnings.", class_="note"),
        ]
    )


def _environment(report: Report) -> Markup:
    facts = [
        join([tag("dt", name), tag("dd", value)])
        for name, value in wording.environment_facts(report)
    ]
    tools = [
        tag("li", f"{name} ", tag("b", version)) for name, version in sorted(report.tools.items())
    ]
    return join([tag("dl", facts, class_="facts"), tag("ul", tools, class_="tools")])


def _command(report: Report) -> Markup:
    beside = [tag("li", f"{name}: ", tag("code", path)) for name, path in report.artifacts.items()]
    return join(
        [
            tag("pre", tag("code", report.command), tabindex="0"),
            tag("ul", beside, class_="tools") if beside else None,
        ]
    )

"""The parts of the HTML report that repeat a row: stages and budgets."""

from __future__ import annotations

import json
from collections.abc import Sequence

from compress.report import bullet, units, wording
from compress.report.markup import Markup, join, tag
from compress.report.schema import Check, ClassRow, StageRow, Status, Verdict

_COLUMNS = (
    ("stage", "the number is the mark's in the drawing"),
    ("parameters", ""),
    ("MB", "megabytes of graph and weights"),
    ("accuracy", "on the test rows"),
    ("macro F1", "on the test rows"),
    ("retention", "of the teacher's accuracy, with its interval"),
    ("p50 ms", "one row at a time"),
    ("p90 ms", "one row at a time"),
    ("speed-up", "against the teacher, with its interval"),
    ("time", "that the stage took"),
)


def badge(status: Status) -> Markup:
    """Return a status as a sign, its words and a colour."""
    sign = tag("span", wording.SIGNS[status], class_="sign", aria_hidden="true")
    return tag("span", sign, wording.WORDS[status], class_=f"status {tone(status)}")


def tone(status: Status) -> str:
    """Return the class that colours a status."""
    return {"PASS": "pass", "FAIL": "fail"}.get(status, "open")


def stages(rows: Sequence[StageRow]) -> Markup:
    """Return the stage table, in a box of its own that scrolls sideways."""
    head = [
        tag(
            "th",
            name,
            scope="col",
            title=meaning or None,
        )
        for name, meaning in _COLUMNS
    ]
    return tag(
        "div",
        tag(
            "table",
            tag("thead", tag("tr", head)),
            tag("tbody", [_stage_row(number, row) for number, row in enumerate(rows, 1)]),
        ),
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label="Stages",
    )


def _stage_row(number: int, row: StageRow) -> Markup:
    flag = "final model" if row.selected else "teacher" if row.teacher else None
    name = tag(
        "th",
        tag("span", str(number), class_="index"),
        tag("span", row.name, class_="stage"),
        tag("span", flag, class_="flag") if flag and flag != row.name else None,
        tag("span", wording.run_as(row), class_="how"),
        scope="row",
    )
    cells = (
        units.parameters(row.parameters),
        units.megabytes(row.size_mb),
        units.percent(row.accuracy),
        units.percent(row.f1_macro),
        _bounded(units.percent_interval(row.retention)),
        units.number(row.latency_p50_ms),
        units.number(row.latency_p90_ms),
        _bounded(units.ratio_interval(row.speedup)),
        "cached" if row.cached else units.seconds(row.seconds),
    )
    return tag(
        "tr",
        name,
        [tag("td", cell) for cell in cells],
        class_="selected" if row.selected else None,
    )


def classes(rows: Sequence[ClassRow]) -> Markup:
    """Return the class table, in a box of its own that scrolls sideways."""
    head = [tag("th", name, scope="col") for name in wording.CLASS_COLUMNS]
    body = []
    for row in rows:
        label, *cells, kept = wording.class_cells(row)
        figures = [tag("td", cell) for cell in cells]
        body.append(tag("tr", tag("th", label, scope="row"), figures, tag("td", _bounded(kept))))
    return tag(
        "div",
        tag("table", tag("thead", tag("tr", head)), tag("tbody", body)),
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label="Classes that keep least",
    )


def _bounded(text: str) -> Markup:
    value, bracket, bounds = text.partition(" [")
    if not bracket:
        return join([value])
    return join([value, " ", tag("span", f"[{bounds}", class_="bounds")])


def settings(rows: Sequence[StageRow]) -> Markup | None:
    """Return each stage's settings and digest, folded away; None where there are none."""
    told = [
        join(
            [
                tag("dt", f"{number}. {row.name}"),
                tag("dd", tag("code", _setting_text(row))),
            ]
        )
        for number, row in enumerate(rows, 1)
        if row.settings or row.digest
    ]
    if not told:
        return None
    return tag(
        "details",
        tag("summary", "Settings and digests"),
        tag("dl", told, class_="facts"),
    )


def _setting_text(row: StageRow) -> str:
    parts = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in row.settings.items()
    ]
    return "; ".join([*parts, f"sha256 {row.digest[:16]}"] if row.digest else parts)


def budgets(verdict: Verdict) -> Markup:
    """Return a verdict's checks, each with its drawing."""
    return tag("ul", [_check(check) for check in verdict.checks], class_="checks")


def _check(check: Check) -> Markup:
    confidence = f"{wording.confidence(check)} confidence" if check.confidence else None
    warns = "warns only" if check.level == "warn" else None
    small = " · ".join(filter(None, (confidence, warns)))
    return tag(
        "li",
        tag("span", badge(check.status), class_="state"),
        tag(
            "span",
            tag("strong", wording.metric(check.metric)),
            tag("span", small, class_="how") if small else None,
            class_="what",
        ),
        tag("span", bullet.render(check), class_="drawing"),
        tag(
            "span",
            _bounded(wording.measured(check)),
            tag("span", check.why, class_="how") if check.why else None,
            class_="seen",
        ),
    )

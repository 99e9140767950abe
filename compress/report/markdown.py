"""The report as Markdown, short enough for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from compress.report import timeline, units, wording
from compress.report.schema import ClassRow, Report, Search, StageRow, VerdictRow

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#|~!@$&])")
_SCORE = "SCORE"
"""Where a table's head names the task's score."""

_STAGES = (
    f"stage|retention|speed-up|model alone|MB|{_SCORE}|p50 ms|p90 ms|parameters",
    ":--|--:|--:|--:|--:|--:|--:|--:|--:",
)
_SHAPES = (f"front|MB|{_SCORE}|retention|speed-up", ":--|--:|--:|--:|--:")
_CLASSES = ("|".join(wording.CLASS_COLUMNS), ":--|--:|--:|--:|--:|:--")
_BUDGETS = ("|budget|asks for|measured|confidence|why", ":--|:--|:--|:--|--:|:--")


def render(report: Report) -> str:
    """Return the report as Markdown: verdicts, stages, budgets, and the rest folded away."""
    blocks = [
        f"### edgepress: {escape(report.name)}",
        *_verdict_blocks(report),
        _table(
            _headed(_STAGES, wording.score_name(report)),
            [_stage(row) for row in wording.table_rows(report)],
        ),
        *(_budgets(verdict) for verdict in report.verdicts if verdict.checks),
        *(_classes(report.classes) if report.classes else ()),
        *(_search(report.search) if report.search else ()),
        _bullets(f"⚠ {escape(text)}" for text in report.warnings),
        _details(report),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def escape(text: str) -> str:
    """Return the text so that Markdown shows it as it is, in a table cell too."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _verdict_blocks(report: Report) -> Iterator[str]:
    if not report.verdicts:
        yield f"**No verdict yet** — {_gains(report)}" if report.summary else "**No verdict yet**"
    for verdict in report.verdicts:
        sign = wording.SIGNS[verdict.status]
        said, _, rest = wording.headline(verdict, report.summary).partition(" — ")
        yield f"{sign} **{escape(said)}**" + (f" — {escape(rest)}" if rest else "")
        yield _bullets(escape(reason) for reason in wording.reasons(verdict))
        yield "\n".join(
            f"→ {escape(advice)}\n" for advice in wording.advice_lines(verdict)
        ).rstrip()


def _gains(report: Report) -> str:
    return escape(wording.gains(report.summary)) if report.summary else ""


def _stage(row: StageRow) -> list[str]:
    name = escape(row.name)
    return [
        f"**{name}**" if row.selected else name,
        units.percent_interval(row.retention),
        units.ratio_interval(row.speedup),
        units.ratio_interval(row.model_speedup),
        units.megabytes(row.size_mb),
        units.percent(row.judged.value),
        units.number(row.latency_p50_ms),
        units.number(row.latency_p90_ms),
        units.parameters(row.parameters),
    ]


def _budgets(verdict: VerdictRow) -> str:
    rows = [
        [
            f"{wording.SIGNS[row.status]} {wording.WORDS[row.status]}",
            escape(wording.metric(row.metric)) + (" (warns only)" if row.level == "warn" else ""),
            escape(wording.requirement(row)),
            escape(wording.measured(row)),
            wording.confidence(row),
            escape(row.why),
        ]
        for row in verdict.checks
    ]
    conditions = f" ({escape(wording.conditions(verdict))})" if verdict.conditions else ""
    return f"Budgets of **{escape(verdict.profile)}**{conditions}\n\n" + _table(_BUDGETS, rows)


def _table(head: tuple[str, str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [f"| {line.replace('|', ' | ')} |" for line in head]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows)])


def _headed(head: tuple[str, str], score_name: str) -> tuple[str, str]:
    """Return a table's head with the name of the task's score."""
    return head[0].replace(_SCORE, escape(score_name)), head[1]


def _bullets(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _classes(rows: Sequence[ClassRow]) -> Iterator[str]:
    """Yield the classes that keep least, and how to read them."""
    yield "Classes that keep least"
    yield _table(_CLASSES, [[escape(cell) for cell in wording.class_cells(row)] for row in rows])
    yield escape(wording.CLASSES_NOTE)


def _search(search: Search) -> Iterator[str]:
    """Yield the goal, the control and the front."""
    yield f"Search: {escape(search.goal)}; against {escape(search.control)}"
    yield _table(
        _headed(_SHAPES, search.score_name),
        [
            [
                f"**{escape(row.name)}**" if row.name == search.answer else escape(row.name),
                units.megabytes(row.size_mb),
                units.percent(row.accuracy),
                f"{units.percent(row.retention.value)} ≥ {units.percent(row.retention.lower)}",
                f"{row.speedup:.1f}×",
            ]
            for row in search.trials
            if row.front
        ],
    )
    if search.spread is not None:
        spread = search.spread
        yield (
            f"{len(search.seeds)} seeds on the test rows: retention {units.percent(spread.mean)} on"
            f" average, from {units.percent(spread.least)} to {units.percent(spread.most)}"
        )
    if search.rivals:
        yield _bullets(escape(line) for line in wording.rivals(search))
    if search.advice:
        yield _bullets(escape(line) for line in search.advice)


def _details(report: Report) -> str:
    lines = [
        f"- {escape(name)}: {escape(value)}" for name, value in wording.environment_facts(report)
    ]
    lines += [
        f"- {escape(': '.join(filter(None, (seen.device, name))))}: {escape(text)}"
        for seen in timeline.timelines(report)
        for name, text in seen.facts
    ]
    lines += [f"- tools: {escape(wording.tools(report))}"] if report.tools else []
    command = report.command.replace("```", "'''")
    return "\n".join(
        [
            "<details><summary>Environment, and the command that repeats it</summary>",
            "",
            *lines,
            "",
            "```sh",
            command,
            "```",
            "",
            "</details>",
        ]
    )

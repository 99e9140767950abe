"""A gate's verdicts as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from compress.report import gate_wording as gated
from compress.report import units
from compress.report.gate_report import BAD_INPUT, TOOL_ERROR, Fault, GatedModel, GateReport
from compress.report.markdown import escape
from profiles.gate import Check, Status, Verdict, shown

_CHECKS = ("||metric|limit|measured|distance|note|", "|:-:|:--|--:|--:|--:|:--|")
_MODELS = ("|role|model|format|digest|runtime|", "|:--|:--|:--|:--|:--|")
_MOST = 20
"""Most profiles, faults, reasons and models that are listed; more are listed by mistake only."""
_MOST_FIGURES = 100
_DIGEST = 12

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class _Row:
    """Hold a check's line of a table, and how many checks of the report are worse."""

    place: int
    status: Status
    line: str


@dataclass(frozen=True, slots=True)
class _Page:
    """Hold a report's text; where it is too long, checks are left out, the best first."""

    top: Sequence[str]
    sections: Sequence[tuple[str, Sequence[_Row]]]
    bottom: Sequence[str]

    @property
    def rows(self) -> int:
        return sum(len(rows) for _, rows in self.sections)

    def text(self, kept: int) -> str:
        """Write the page with the worst `kept` checks."""
        blocks = list(self.top)
        gone: Counter[Status] = Counter()
        for said, rows in self.sections:
            blocks += [said, _table(_CHECKS, [row.line for row in rows if row.place < kept])]
            gone.update(row.status for row in rows if row.place >= kept)
        blocks += [_left_out(gone), *self.bottom]
        return "\n\n".join(block for block in blocks if block) + "\n"


def render(report: GateReport, most_bytes: int | None = None) -> str:
    """Return the report as Markdown, the worst first.

    With `most_bytes`, as many of the worst checks as fit that much UTF-8, and a line that
    counts those left out.
    """
    page = _page(report)
    if most_bytes is None or _size(page.text(page.rows)) <= most_bytes:
        return page.text(page.rows)
    fits = bisect_right(range(page.rows), most_bytes, key=lambda kept: _size(page.text(kept)))
    return page.text(max(fits - 1, 0))


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _page(report: GateReport) -> _Page:
    top = [_headline(report), *_first(report.faults, _fault, "models could not be measured")]
    return _Page(top, _sections(report), [_profiles_left_out(report), *_rest(report)])


def _sections(report: GateReport) -> list[tuple[str, Sequence[_Row]]]:
    verdicts = gated.verdicts_worst_first(report.verdicts)[:_MOST]
    rows: list[list[_Row]] = [[] for _ in verdicts]
    checks = [
        (check, own)
        for verdict, own in zip(verdicts, rows, strict=True)
        for check in verdict.checks
    ]
    checks.sort(key=lambda pair: gated.rank(pair[0]))
    for place, (check, own) in enumerate(checks):
        own.append(_Row(place, check.status, _line(_cells(check))))
    return [(_said(verdict), own) for verdict, own in zip(verdicts, rows, strict=True)]


def _rest(report: GateReport) -> Iterator[str]:
    yield "\n".join(f"- {_cell(note)}" for note in report.notes)
    remarks = [*(f"noise: {text}" for text in report.noise), *report.warnings]
    yield "\n".join(_first(remarks, _bullet, "remarks")).rstrip()
    yield _details(report)


def _headline(report: GateReport) -> str:
    if report.exit_code in (BAD_INPUT, TOOL_ERROR):
        return "### ⚠ edgepress gate: not measured to the end"
    return f"### {report.status.sign} edgepress gate: {report.status.words}"


def _said(verdict: Verdict) -> str:
    said = f"{verdict.status.sign} **{verdict.status.words}**"
    said += f" on **{_cell(verdict.profile)}**"
    said += f" — {_cell(verdict.conditions)}" if verdict.conditions else ""
    why = f"Why: {_cell(verdict.why)}" if verdict.why else ""
    bare = "" if verdict.checks else "The profile names no budgets."
    advice = "\n".join(_first(verdict.advice, _advice, "pieces of advice")).rstrip()
    return "\n\n".join(part for part in (said, why, bare, advice) if part)


def _cells(check: Check) -> tuple[str, ...]:
    return (
        check.status.sign,
        f"`{check.budget.metric}`",
        gated.limit(check),
        escape(shown(check.measurement)),
        gated.distance(check),
        escape(gated.note(check)),
    )


def _left_out(gone: Counter[Status]) -> str:
    counts = ", ".join(f"{count:,} {status.words}" for status, count in gone.items())
    return f"**{gone.total():,} more checks do not fit here**: {counts}." if gone else ""


def _profiles_left_out(report: GateReport) -> str:
    count = len(report.verdicts)
    if not count:
        return "No profile was judged."
    return f"**{count - _MOST:,} more profiles do not fit here.**" if count > _MOST else ""


def _fault(fault: Fault) -> str:
    words = gated.last_output(fault.said)
    head = f"✗ **{_cell(fault.model)}** could not be measured to the end; its process"
    return f"{head} ended with:\n\n{_fenced(words)}" if words else f"{head} printed nothing."


def _fenced(text: str, language: str = "text") -> str:
    """Put text into a fence that is longer than any run of backticks in it."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _advice(text: str) -> str:
    return f"- → {_cell(text)}"


def _bullet(text: str) -> str:
    return f"- ⚠ {_cell(text)}"


def _first(items: Sequence[_Item], write: Callable[[_Item], str], what: str) -> Iterator[str]:
    """Write the first few items, and how many there are where that is more."""
    yield from map(write, items[:_MOST])
    yield _more(len(items), _MOST, what)


def _more(count: int, most: int, what: str) -> str:
    return f"- {count:,} {what}; these are the first {most}." if count > most else ""


def _details(report: GateReport) -> str:
    parts = [
        "<details><summary>Models, machine and the command that repeats it</summary>",
        *_models(report.models[:_MOST]),
        "\n".join(f"- {name}: {_cell(text)}" for name, text in _facts(report)),
        _fenced(gated.plain(report.repeat, gated.LONGEST_COMMAND), "sh"),
        "</details>",
    ]
    return "\n\n".join(part for part in parts if part)


def _facts(report: GateReport) -> Iterator[tuple[str, str]]:
    shown_of = ("cpu_model", "arch", "fingerprint")
    machine = [str(report.machine[name]) for name in shown_of if report.machine.get(name)]
    yield "machine", ", ".join(machine) or units.MISSING
    looks = f"{report.looks} of at most {report.looks_most} looks"
    took = f"{units.seconds(report.seconds)}, {units.percent(report.overhead)} of it overhead"
    yield "measured", f"tier {report.tier}, seed {report.seed}, {looks}, {took}"
    yield "made", report.created


def _models(models: Sequence[GatedModel]) -> Iterator[str]:
    yield _table(_MODELS, [_line(_model(model)) for model in models])
    metrics = list(dict.fromkeys(f.metric for model in models for f in model.figures))
    by_model = [{figure.metric: figure for figure in model.figures} for model in models]
    head = _line(["metric", *(_cell(model.role) for model in models)])
    lines = [
        _line([f"`{metric}`", *(escape(shown(figures.get(metric))) for figures in by_model)])
        for metric in metrics[:_MOST_FIGURES]
    ]
    yield _table((head, "|:--|" + "--:|" * len(models)), lines)
    yield _more(len(metrics), _MOST_FIGURES, "figures were measured")


def _model(model: GatedModel) -> tuple[str, ...]:
    digest = _cell(model.digest[:_DIGEST])
    runtime = f"{model.runtime} {model.runtime_version}"
    return (_cell(model.role), _cell(model.name), _cell(model.format), digest, _cell(runtime))


def _table(head: tuple[str, str], lines: Sequence[str]) -> str:
    return "\n".join([*head, *lines]) if lines else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return escape(gated.plain(text))

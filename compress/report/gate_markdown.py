"""A gate's verdicts as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from compress.report import gate_wording as gated
from compress.report import units
from compress.report.gate_report import TOOL_ERROR, Fault, GatedModel, GateReport
from compress.report.markdown import escape
from profiles.gate import Check, Verdict, shown

_CHECKS = ("||metric|limit|measured|distance|note|", "|:-:|:--|--:|--:|--:|:--|")
_MODELS = ("|role|model|format|digest|runtime|", "|:--|:--|:--|:--|:--|")
_MOST = 20
"""Profiles, faults, reasons and models that are listed; none has so many but by mistake."""
_DIGEST = 12

_Place = tuple[int, int]
"""Which verdict and which check of it."""


def render(report: GateReport, most_bytes: int | None = None) -> str:
    """Return the report as Markdown, the worst first.

    With `most_bytes`, as many of the worst checks as fit that much UTF-8, and a line that
    counts those left out.
    """
    whole = _text(report, None)
    if most_bytes is None or _size(whole) <= most_bytes:
        return whole
    places = _places(_judged(report))
    fits = bisect_right(
        range(len(places)), most_bytes, key=lambda count: _size(_text(report, places[:count]))
    )
    return _text(report, places[: max(fits - 1, 0)])


def _judged(report: GateReport) -> list[Verdict]:
    return gated.verdicts_worst_first(report.verdicts)[:_MOST]


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _places(verdicts: Sequence[Verdict]) -> list[_Place]:
    """Return where every check stands, the worst first."""
    places = [(v, c) for v, verdict in enumerate(verdicts) for c in range(len(verdict.checks))]
    return sorted(places, key=lambda place: gated.rank(verdicts[place[0]].checks[place[1]]))


def _text(report: GateReport, places: Collection[_Place] | None) -> str:
    """Write the report with the checks at these places, or with all of them."""
    judged = _judged(report)
    everything = _places(judged)
    kept = frozenset(everything if places is None else places)
    blocks = [
        _headline(report),
        *_listed([_fault(fault) for fault in report.faults], "models could not be measured"),
        *(_verdict(verdict, number, kept) for number, verdict in enumerate(judged)),
        _left_out([judged[v].checks[c] for v, c in everything if (v, c) not in kept]),
        _profiles_left_out(report),
        _bullets(report.noise, "noise"),
        _bullets(report.warnings, "warnings"),
        _details(report),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _headline(report: GateReport) -> str:
    if report.exit_code == TOOL_ERROR:
        return "### ⚠ edgepress gate: not measured to the end"
    return f"### {gated.SIGNS[report.status]} edgepress gate: {gated.WORDS[report.status]}"


def _verdict(verdict: Verdict, number: int, kept: Collection[_Place]) -> str:
    said = f"{gated.SIGNS[verdict.status]} **{gated.WORDS[verdict.status]}**"
    said += f" on **{_cell(verdict.profile)}**"
    said += f" — {_cell(verdict.conditions)}" if verdict.conditions else ""
    checks = [check for place, check in enumerate(verdict.checks) if (number, place) in kept]
    table = _table(_CHECKS, map(_row, gated.worst_first(checks)))
    bare = "" if verdict.checks else "The profile names no budgets."
    return "\n\n".join(part for part in (said, _cell(verdict.why), bare, table) if part)


def _row(check: Check) -> tuple[str, ...]:
    return (
        gated.SIGNS[check.status],
        f"`{check.budget.metric}`",
        gated.limit(check),
        escape(shown(check.measurement)),
        gated.distance(check),
        escape(gated.note(check)),
    )


def _left_out(checks: Sequence[Check]) -> str:
    gone = Counter(check.status for check in checks)
    counts = ", ".join(f"{count:,} {gated.WORDS[status]}" for status, count in gone.items())
    return f"**{len(checks):,} more checks do not fit here**: {counts}." if checks else ""


def _profiles_left_out(report: GateReport) -> str:
    count = len(report.verdicts)
    if not count:
        return "No profile was judged."
    return f"**{count - _MOST:,} more profiles do not fit here.**" if count > _MOST else ""


def _fault(fault: Fault) -> str:
    words = gated.last_words(fault.said)
    head = f"✗ **{_cell(fault.model)}** could not be measured to the end; its worker"
    return f"{head}'s last words:\n\n{_fenced(words)}" if words else f"{head} said nothing."


def _fenced(text: str, language: str = "text") -> str:
    """Put text into a fence that is longer than any run of backticks in it."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _bullets(texts: Sequence[str], what: str) -> str:
    lines = _listed([f"- ⚠ {_cell(text)}" for text in texts], f"{what} were given")
    return "\n".join(lines)


def _listed(blocks: list[str], what: str) -> list[str]:
    if len(blocks) <= _MOST:
        return blocks
    return [*blocks[:_MOST], f"- {len(blocks):,} {what}; these are {_MOST} of them."]


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
    yield _table(_MODELS, map(_model, models))
    metrics = list(dict.fromkeys(f.metric for model in models for f in model.figures))
    found = [{figure.metric: figure for figure in model.figures} for model in models]
    head = "|".join(["metric", *(_cell(model.role) for model in models)])
    columns = (f"|{head}|", "|:--|" + "--:|" * len(models))
    yield _table(
        columns,
        [
            (f"`{metric}`", *(escape(shown(figures.get(metric))) for figures in found))
            for metric in metrics
        ],
    )


def _model(model: GatedModel) -> tuple[str, ...]:
    digest = _cell(model.digest[:_DIGEST])
    runtime = f"{model.runtime} {model.runtime_version}"
    return (_cell(model.role), _cell(model.name), _cell(model.format), digest, _cell(runtime))


def _table(head: tuple[str, str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([*head, *lines]) if lines else ""


def _cell(text: str) -> str:
    return escape(gated.plain(text))

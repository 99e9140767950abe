"""A gate's verdicts for GitHub Actions: a job summary, and annotations.

Both are what the runner reads: Markdown in a file that it names, and workflow commands on
standard output. A step's summary is dropped as a whole beyond 1 MiB, and of each level's
annotations the first ten are shown.
"""

# Without the future import of annotations: that is a function here.

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from compress.report import gate_markdown
from compress.report import gate_wording as gated
from compress.report.gate_report import GateReport
from profiles.gate import Check, Status, Verdict
from runtimes.errors import InputError

SUMMARY_FILE = "GITHUB_STEP_SUMMARY"
SUMMARY_BYTES = 900 * 1024
ANNOTATIONS = 10
_LEAST_BYTES = 64 * 1024
"""What a summary may take where the step's earlier ones have filled the file."""

_Level = Literal["error", "warning", "notice"]


@dataclass(frozen=True, slots=True)
class _Finding:
    """Hold one thing to tell of: a check, a verdict, a fault, a remark."""

    weight: gated.Weight
    title: str
    text: str
    rank: gated.Rank = (False, 0, -math.inf)


def render_summary(report: GateReport, most_bytes: int = SUMMARY_BYTES) -> str:
    """Return the job summary: the Markdown, its checks cut to what the runner takes."""
    return gate_markdown.render(report, most_bytes)


def summary_file(environ: Mapping[str, str]) -> Path:
    """Return the file that the runner reads a summary from.

    Raises InputError where the runner named none. Cheap: ask before measuring.
    """
    name = environ.get(SUMMARY_FILE)
    if not name:
        raise InputError(
            f"{SUMMARY_FILE} is not set",
            expected="the file that GitHub's runner names for a step's summary",
            action="leave --github out; --markdown FILE writes the same anywhere",
        )
    return Path(name)


def write_summary(report: GateReport, environ: Mapping[str, str]) -> Path:
    """Append the job summary to the runner's file, and return the file.

    Raises InputError where the runner named none, or one that cannot be written.
    """
    path = summary_file(environ)
    try:
        before = path.stat().st_size if path.exists() else 0
        text = render_summary(report, max(SUMMARY_BYTES - before, _LEAST_BYTES))
        with path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(f"\n{text}" if before else text)
    except OSError as error:
        raise InputError(
            f"{SUMMARY_FILE} names {path}, which cannot be written: {error.strerror}",
            expected="the file that GitHub's runner made for a step's summary",
            action="leave the variable as the runner set it",
        ) from error
    return path


def annotations(report: GateReport, inconclusive: gated.Policy = "fail") -> list[str]:
    """Return the workflow commands to print, a line each: at most ten a level, the worst first.

    What is met is not told of. Where a level has more, its last one says how many.
    """
    findings = list(_findings(report, inconclusive))
    return [line for level in get_args(_Level) for line in _of_level(level, findings)]


def _of_level(level: _Level, findings: list[_Finding]) -> Iterator[str]:
    own = [finding for finding in findings if finding.weight == level]
    fits = len(own) if len(own) <= ANNOTATIONS else ANNOTATIONS - 1
    for finding in own[:fits]:
        yield _command(level, finding.title, finding.text)
    if len(own) > fits:
        said = f"{len(own) - fits:,} more; the job summary has the worst of them"
        yield _command(level, "edgepress gate", said)


def _findings(report: GateReport, policy: gated.Policy) -> Iterator[_Finding]:
    for fault in report.faults:
        words = gated.last_output(fault.said) or "its process printed nothing"
        title = f"edgepress gate: {gated.plain(fault.model)} could not be measured"
        yield _Finding("error", title, words)
    if not report.verdicts:
        none = Verdict("", report.status, (), "no profile was judged")
        yield _of_verdict(none, policy)
    judged = [finding for verdict in report.verdicts for finding in _judged(verdict, policy)]
    yield from sorted(judged, key=lambda finding: finding.rank)
    yield from (_Finding("warning", "edgepress gate", gated.plain(t)) for t in report.warnings)
    yield from (_Finding("notice", "edgepress gate: noise", gated.plain(t)) for t in report.noise)


def _judged(verdict: Verdict, policy: gated.Policy) -> list[_Finding]:
    """Return a verdict's findings; another device is told of once, not at each check."""
    another = verdict.status is Status.WRONG_DEVICE
    findings = [
        _of_check(check, verdict, policy)
        for check in verdict.checks
        if check.status is not Status.WRONG_DEVICE
    ]
    whole = _of_verdict(verdict, policy)
    told = any(finding.weight == whole.weight for finding in findings)
    return findings if told and not another else [*findings, whole]


def _of_check(check: Check, verdict: Verdict, policy: gated.Policy) -> _Finding:
    weight = gated.weight(check.status, policy, counts=check.counts)
    what = f"{check.budget.metric} {gated.limit(check)}"
    title = f"{check.status.words} on {gated.plain(verdict.profile)}: {what}"
    return _Finding(weight, title, gated.sentence(check), gated.rank(check))


def _of_verdict(verdict: Verdict, policy: gated.Policy) -> _Finding:
    weight = gated.weight(verdict.status, policy)
    on = f" on {gated.plain(verdict.profile)}" if verdict.profile else ""
    return _Finding(weight, f"{verdict.status.words}{on}", gated.verdict_text(verdict))


def _command(level: _Level, title: str, text: str) -> str:
    return f"::{level} title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    """Escape a command's message as actions/toolkit does: %, then line ends."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a command's property: its message's escapes, and what ends a property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""A gate's verdicts as JUnit XML, which Jenkins, GitLab and GitHub's test reporters read.

The elements are those that Jenkins' xUnit schema allows and GitLab's unit test reports read:
GitLab shows the text inside failure, error, skipped and system-out, and needs each classname
and name pair once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from xml.etree import ElementTree

from compress.report import gate_wording as gated
from compress.report.gate_report import Fault, GateReport
from profiles.gate import Check, Status, Verdict

_Kind = Literal["failure", "error", "skipped", "passed"]


@dataclass(frozen=True, slots=True)
class _Case:
    """Hold one test case: what it came to, one line on it, and all that is known of it."""

    name: str
    kind: _Kind
    type: str
    message: str
    text: str


@dataclass(frozen=True, slots=True)
class _Suite:
    """Hold one profile's cases, or those of the models that could not be measured."""

    name: str
    cases: Sequence[_Case]
    properties: Sequence[tuple[str, str]]


def render(report: GateReport, inconclusive: gated.Policy = "fail") -> str:
    """Return the report as JUnit XML: a suite a profile, a case a check, a case a fault.

    A broken budget that counts is a failure, one that only warns a pass that says so; another
    device and a worker's fault are errors. What stays undecided is a failure under
    `inconclusive` "fail", else skipped. What no check shows, such as a report without any
    verdict, is a case named "verdict", so that the file is never greener than the exit code.

    All checks share one measurement, so a case's `time` is an even share of the whole gate's
    seconds.
    """
    suites = _suites(report, inconclusive)
    cases = sum(len(suite.cases) for suite in suites)
    share = report.seconds / max(cases, 1)
    totals = {"name": "edgepress gate", **_counts([c for s in suites for c in s.cases])}
    root = ElementTree.Element("testsuites", {**totals, "time": _seconds(report.seconds)})
    root.attrib.pop("skipped")  # the schema knows no sum of it
    for suite in suites:
        _add_suite(root, suite, share, _timestamp(report.created))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suites(report: GateReport, policy: gated.Policy) -> list[_Suite]:
    shared = _shared_properties(report)
    suites = [
        _Suite(
            f"edgepress.{gated.plain(verdict.profile)}",
            _cases(verdict, policy),
            [*_verdict_properties(verdict), *shared],
        )
        for verdict in report.verdicts
    ]
    rest = [_fault(number, fault) for number, fault in enumerate(report.faults, 1)]
    if not report.verdicts:
        rest.append(_of_verdict(Verdict("", report.status, (), "no profile was judged"), policy))
    return [*suites, _Suite("edgepress.measurement", rest, shared)] if rest else suites


def _cases(verdict: Verdict, policy: gated.Policy) -> list[_Case]:
    cases = [_of_check(check, verdict, policy) for check in verdict.checks]
    whole = _of_verdict(verdict, policy)
    shown = whole.kind == "passed" or any(case.kind == whole.kind for case in cases)
    return cases if shown else [*cases, whole]


def _of_check(check: Check, verdict: Verdict, policy: gated.Policy) -> _Case:
    said = gated.sentence(check)
    if check.status is Status.WRONG_DEVICE:
        said = f"{said}: {gated.verdict_text(verdict)}"
    return _Case(
        name=f"{check.budget.metric} {gated.limit(check)}",
        kind=_kind(check.status, policy) if check.counts else "passed",
        type=check.status.value,
        message=said,
        text=f"{check.status.words}: {said}",
    )


def _of_verdict(verdict: Verdict, policy: gated.Policy) -> _Case:
    status, said = verdict.status, gated.verdict_text(verdict)
    text = f"{status.words}: {said}"
    return _Case("verdict", _kind(status, policy), status.value, said, text)


def _kind(status: Status, policy: gated.Policy) -> _Kind:
    match status:
        case Status.PASS:
            return "passed"
        case Status.FAIL:
            return "failure"
        case Status.WRONG_DEVICE:
            return "error"
        case _:
            return "failure" if policy == "fail" else "skipped"


def _fault(number: int, fault: Fault) -> _Case:
    words = gated.last_output(fault.said)
    message = gated.plain(words.rpartition("\n")[2]) or "the process printed nothing"
    name = f"fault {number}: {gated.plain(fault.model)}"
    return _Case(name, "error", "FAULT", message, words or message)


def _add_suite(root: ElementTree.Element, suite: _Suite, share: float, timestamp: str) -> None:
    attributes = {"name": suite.name, **_counts(suite.cases)}
    attributes["time"] = _seconds(share * len(suite.cases))
    if timestamp:
        attributes["timestamp"] = timestamp
    element = ElementTree.SubElement(root, "testsuite", attributes)
    properties = ElementTree.SubElement(element, "properties")
    for name, value in suite.properties:
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    for case in suite.cases:
        _add_case(element, suite.name, case, share)


def _add_case(suite: ElementTree.Element, classname: str, case: _Case, share: float) -> None:
    attributes = {"classname": classname, "name": case.name, "time": _seconds(share)}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.kind == "passed":
        ElementTree.SubElement(element, "system-out").text = case.text
        return
    why = {"type": case.type, "message": case.message}
    ElementTree.SubElement(element, case.kind, why).text = case.text


def _counts(cases: Sequence[_Case]) -> dict[str, str]:
    kinds = Counter(case.kind for case in cases)
    return {
        "tests": str(len(cases)),
        "failures": str(kinds["failure"]),
        "errors": str(kinds["error"]),
        "skipped": str(kinds["skipped"]),
    }


def _verdict_properties(verdict: Verdict) -> list[tuple[str, str]]:
    properties = {"profile": verdict.profile, "status": verdict.status.value, "why": verdict.why}
    properties["conditions"] = verdict.conditions
    return [(name, gated.plain(value)) for name, value in properties.items() if value]


def _shared_properties(report: GateReport) -> list[tuple[str, str]]:
    candidate = next((model.digest for model in report.models if model.role == "candidate"), "")
    properties = {
        "tier": report.tier,
        "seed": str(report.seed),
        "looks": f"{report.looks} of at most {report.looks_most}",
        "machine_fingerprint": str(report.machine.get("fingerprint", "")),
        "candidate_digest": candidate,
        "noise": "; ".join(report.noise),
    }
    return [
        *((name, gated.plain(value)) for name, value in properties.items() if value),
        ("repeat", gated.plain(report.repeat, gated.LONGEST_COMMAND)),
    ]


def _timestamp(created: str) -> str:
    """Return the time as the Ant schema wants it, UTC without a zone; nothing where it is none."""
    try:
        when = datetime.fromisoformat(created)
    except ValueError:
        return ""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def _seconds(value: float) -> str:
    return f"{value:.3f}"

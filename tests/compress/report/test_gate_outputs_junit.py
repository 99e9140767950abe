"""A gate's JUnit XML: valid, readable by others, and never greener than the exit code."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped

from compress.report import junit
from compress.report.gate_report import Fault, GateReport
from compress.report.gate_wording import Policy
from profiles.gate import Status, Verdict
from tests.compress.report import gate_fixture as fixture

SCHEMAS = Path(__file__).parents[2] / "data"
OWN = xmlschema.XMLSchema(SCHEMAS / "junit.xsd")
JENKINS = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")

POLICIES: tuple[Policy, ...] = get_args(Policy)
any_text = st.text(st.characters(exclude_categories=()))


def cases(text: str) -> dict[str, ElementTree.Element]:
    """Return the test cases by name."""
    return {case.attrib["name"]: case for case in ElementTree.fromstring(text).iter("testcase")}


def outcome(text: str, name: str = "latency_p90_ms ≤ 1.5") -> ElementTree.Element:
    """Return the one element inside a case."""
    (element,) = cases(text)[name]
    return element


def exit_code(report: GateReport, policy: Policy) -> int:
    """Return what the command exits with."""
    undecided = report.exit_code == Status.INCONCLUSIVE.exit_code
    return 0 if undecided and policy != "fail" else report.exit_code


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", fixture.EVERY)
def test_it_is_valid(kind: str, policy: Policy) -> None:
    text = junit.render(fixture.EVERY[kind], policy)
    JENKINS.validate(text)
    OWN.validate(text)


@pytest.mark.parametrize("broken", ["<testsuites/>", "<testsuites><x/></testsuites>"])
def test_the_schema_refuses_what_is_not_junit(broken: str) -> None:
    assert not OWN.is_valid(broken)


def test_the_schema_refuses_two_outcomes_and_two_cases_of_a_name() -> None:
    text = junit.render(fixture.report(fixture.verdict(Status.FAIL)))
    twice = text.replace("artifact_mb ≤ 12", "accuracy_retention ≥ 0.97")
    both = text.replace("</failure>", "</failure><system-out>fine</system-out>")
    assert [OWN.is_valid(each) for each in (text, twice, both)] == [True, False, False]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", fixture.EVERY)
def test_junitparser_reads_the_same_counts(kind: str, policy: Policy) -> None:
    read = JUnitXml.fromstring(junit.render(fixture.EVERY[kind], policy).encode())
    kinds_by_suite = [Counter(type(row) for case in suite for row in case.result) for suite in read]
    for suite, kinds in zip(read, kinds_by_suite, strict=True):
        assert suite.tests == len(list(suite))
        assert suite.failures == kinds[Failure]
        assert suite.errors == kinds[Error]
        assert suite.skipped == kinds[Skipped]
    total = sum(kinds_by_suite, Counter())
    assert read.tests == sum(suite.tests for suite in read)
    assert (read.failures, read.errors) == (total[Failure], total[Error])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", fixture.EVERY)
def test_it_is_red_exactly_when_the_command_fails(kind: str, policy: Policy) -> None:
    report = fixture.EVERY[kind]
    read = JUnitXml.fromstring(junit.render(report, policy).encode())
    assert bool(read.failures + read.errors) == (exit_code(report, policy) != 0)


def test_a_broken_budget_says_figure_interval_limit_distance_and_why() -> None:
    broken = fixture.check(Status.FAIL, why="the machine throttled")
    text = junit.render(fixture.report(Verdict("local", Status.FAIL, (broken,))))
    failure = outcome(text)
    assert failure.tag == "failure"
    assert failure.attrib["type"] == "FAIL"
    for part in ("1.850 [1.790, 1.930]", "95 %", "≤ 1.5", "+23.3 %", "the machine throttled"):
        assert part in failure.attrib["message"]
        assert part in (failure.text or "")  # what GitLab shows


def test_what_only_warns_passes_and_says_so() -> None:
    for kind, why in (("waived", "waived until 2026-12-31"), ("warned", "only warns")):
        passed = outcome(junit.render(fixture.EVERY[kind]))
        assert passed.tag == "system-out"
        assert (passed.text or "").startswith("FAIL: ")
        assert why in (passed.text or "")


@pytest.mark.parametrize("status", [Status.INCONCLUSIVE, Status.NOT_MEASURED])
def test_what_is_undecided_follows_the_policy(status: Status) -> None:
    report = fixture.report(Verdict("local", Status.INCONCLUSIVE, (fixture.check(status),)))
    name = f"latency_p90_ms ≤ {1.88 if status is Status.INCONCLUSIVE else 4}"
    elements = [outcome(junit.render(report, policy), name) for policy in POLICIES]
    assert [element.tag for element in elements] == ["failure", "skipped", "skipped"]
    assert elements[0].attrib["type"] == status.value
    assert all("needs" in element.attrib["message"] for element in elements)


def test_another_device_is_an_error_that_names_it() -> None:
    text = junit.render(fixture.EVERY["WRONG_DEVICE"])
    error = outcome(text, "latency_p90_ms ≤ 9")
    assert error.tag == "error"
    assert "the profile is aarch64" in error.attrib["message"]
    only_accuracy = fixture.verdict(Status.WRONG_DEVICE)
    kept = Verdict("pi", Status.WRONG_DEVICE, only_accuracy.checks[:1], only_accuracy.why)
    assert outcome(junit.render(fixture.report(kept)), "verdict").tag == "error"


def test_a_fault_holds_the_last_words_without_colours() -> None:
    text = junit.render(fixture.EVERY["fault"])
    error = outcome(text, "fault 1: candidate")
    assert error.tag == "error"
    assert (error.text or "").splitlines()[-1] == "MemoryError: cannot allocate 512 MiB"
    assert error.attrib["message"] == "MemoryError: cannot allocate 512 MiB"
    assert outcome(text, "fault 2: reference").text == "the process printed nothing"
    assert cases(text)["latency_p90_ms ≤ 4"].find("system-out") is not None


def test_of_very_long_last_words_the_end_is_kept() -> None:
    fault = Fault("candidate", "noise\n" * 100_000 + "Killed")
    text = junit.render(fixture.report(faults=(fault,)))
    said = outcome(text, "fault 1: candidate").text or ""
    assert said.endswith("noise\nKilled")
    assert "characters before this" in said.splitlines()[0]
    assert len(text) < 20_000


def test_properties_say_how_to_repeat_it() -> None:
    suite = next(ElementTree.fromstring(junit.render(fixture.EVERY["FAIL"])).iter("testsuite"))
    properties = {row.attrib["name"]: row.attrib["value"] for row in suite.iter("property")}
    assert properties["repeat"] == "edgepress gate model --data test.csv --seed 7"
    assert properties["looks"] == "2 of at most 3"
    assert (properties["tier"], properties["seed"]) == ("ci", "7")
    assert properties["machine_fingerprint"] == "0123456789abcdef"
    assert properties["candidate_digest"] == "c0ffee" * 10


def test_a_repeat_command_is_whole() -> None:
    command = " ".join(["edgepress gate model", *(f"--budget a{n}=1" for n in range(200))])
    text = junit.render(fixture.report(fixture.verdict(), repeat=command))
    assert command in text


def test_cases_share_the_seconds_of_the_gate() -> None:
    root = ElementTree.fromstring(junit.render(fixture.EVERY["two"]))
    assert float(root.attrib["time"]) == 71.25
    for tag in ("testsuite", "testcase"):
        total = sum(float(element.attrib["time"]) for element in root.iter(tag))
        assert total == pytest.approx(71.25, abs=0.01)


@pytest.mark.parametrize(
    ("created", "written"),
    [
        ("2026-11-21T08:15:30+00:00", "2026-11-21T08:15:30"),
        ("2026-11-21T08:15:30.25+02:00", "2026-11-21T06:15:30"),
        ("2026-11-21T08:15:30Z", "2026-11-21T08:15:30"),
        ("yesterday", None),
    ],
)
def test_the_timestamp_is_utc_without_a_zone(created: str, written: str | None) -> None:
    root = ElementTree.fromstring(junit.render(fixture.report(fixture.verdict(), created=created)))
    assert next(root.iter("testsuite")).get("timestamp") == written


def test_no_home_folder_or_token_gets_out() -> None:
    secret = "ghp_" + "a1B2" * 9
    report = fixture.hostile(f"/home/anna/model --token {secret} https://anna:pw@host/x")
    text = junit.render(report)
    assert "anna" not in text
    assert secret not in text


@settings(deadline=None)
@given(any_text)
def test_any_text_stays_well_formed_and_in_its_place(text: str) -> None:
    written = junit.render(fixture.hostile(text or "x"))
    written.encode("utf-8")
    names = [element.tag for element in ElementTree.fromstring(written).iter()]
    assert names == [e.tag for e in ElementTree.fromstring(junit.render(fixture.hostile())).iter()]

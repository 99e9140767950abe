"""Verdicts: who passes, who fails, and who is told what would decide it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.budget import Budget
from profiles.device import DeviceProfile
from profiles.gate import Status, Verdict, combine, judge, render, worst
from profiles.measurement import Figures
from profiles.probe import Facts, probe
from profiles.statistics import Interval

ALL = list(Status)


@pytest.fixture(scope="module")
def here() -> Facts:
    return probe()


def _profile(budgets: dict[str, Any], **tables: Any) -> DeviceProfile:
    return DeviceProfile.model_validate({"schema": 1, "name": "mine", "budgets": budgets, **tables})


def _measured(
    metric: str,
    value: float | None,
    lower: float | None,
    upper: float | None,
    *,
    exact: bool = False,
    samples: int = 1000,
    why: str = "",
) -> Figures:
    """Make a figure whose bounds are the same at any confidence."""
    bound = Interval(value, lower, upper, samples, why)
    return Figures({metric: bound if exact else lambda _confidence: bound})


NOTHING = Figures({})


LATENCY = {"latency_p90_ms": {"max": 40}}


@pytest.mark.parametrize(
    ("lower", "value", "upper", "status"),
    [
        (37.0, 38.0, 39.9, Status.PASS),
        (37.0, 38.0, 40.0, Status.PASS),
        (37.0, 38.0, 41.0, Status.INCONCLUSIVE),
        (39.0, 42.0, 45.0, Status.INCONCLUSIVE),
        (40.0, 42.0, 45.0, Status.INCONCLUSIVE),
        (40.1, 42.0, 45.0, Status.FAIL),
        (41.0, None, None, Status.FAIL),  # the lower bound alone is evidence enough
        (39.0, None, None, Status.INCONCLUSIVE),
        (None, None, None, Status.INCONCLUSIVE),
        (None, 30.0, 39.0, Status.PASS),
    ],
)
def test_the_bound_decides_and_not_the_value(
    here: Facts, lower: float | None, value: float | None, upper: float | None, status: Status
) -> None:
    measured = _measured("latency_p90_ms", value, lower, upper)
    verdict = judge(_profile(LATENCY), measured, here)
    assert verdict.checks[0].status is status
    assert verdict.status is status


@pytest.mark.parametrize(
    ("lower", "upper", "status"),
    [(0.98, 0.99, Status.PASS), (0.95, 0.98, Status.INCONCLUSIVE), (0.9, 0.96, Status.FAIL)],
)
def test_a_lower_limit_is_the_mirror(
    here: Facts, lower: float, upper: float, status: Status
) -> None:
    profile = _profile({"accuracy_retention": {"min": 0.97}})
    measured = _measured("accuracy_retention", (lower + upper) / 2, lower, upper)
    assert judge(profile, measured, here).status is status


@given(st.floats(1, 100), st.floats(0, 20), st.floats(0, 20), st.floats(1, 100), st.booleans())
def test_pass_and_fail_exclude_each_other(
    value: float, below: float, above: float, limit: float, upside: bool
) -> None:
    metric, side = ("latency_p90_ms", "max") if upside else ("speedup", "min")
    profile = _profile({metric: {side: limit}})
    measured = _measured(metric, value, value - below, value + above)
    status = judge(profile, measured, _HERE).status
    meets = profile.budgets[metric].meets
    assert status is not Status.PASS or meets(value)
    assert status is not Status.FAIL or not meets(value)
    assert status in (Status.PASS, Status.FAIL, Status.INCONCLUSIVE)


_HERE = probe()


def test_an_exact_figure_is_never_undecided(here: Facts) -> None:
    profile = _profile({"artifact_mb": {"max": 25}})
    for size, status in ((25.0, Status.PASS), (25.01, Status.FAIL)):
        measured = _measured("artifact_mb", size, size, size, exact=True, samples=1)
        assert judge(profile, measured, here).status is status


def test_a_warning_is_shown_and_never_fails(here: Facts) -> None:
    budgets = {"artifact_mb": {"max": 25}, "latency_p90_ms": {"max": 40, "level": "warn"}}
    measured = [
        _measured("artifact_mb", 20, 20, 20, exact=True, samples=1),
        _measured("latency_p90_ms", 90, 80, 99),
    ]
    verdict = judge(_profile(budgets), measured, here)
    assert (verdict.status, verdict.status.exit_code) == (Status.PASS, 0)
    assert verdict.checks[1].status is Status.FAIL
    assert "warn" in render(verdict)


def test_warnings_alone_pass(here: Facts) -> None:
    profile = _profile({"latency_p90_ms": {"max": 40, "level": "warn"}})
    assert judge(profile, NOTHING, here).status is Status.PASS


def test_what_was_not_measured_is_undecided(here: Facts) -> None:
    verdict = judge(_profile(LATENCY), [], here)
    assert verdict.checks[0].status is Status.NOT_MEASURED
    assert (verdict.status, verdict.status.exit_code) == (Status.INCONCLUSIVE, 3)


def test_too_little_confidence_decides_nothing(here: Facts) -> None:
    profile = _profile({"latency_p90_ms": {"max": 40, "confidence": 0.99}})
    verdict = judge(profile, [_measured("latency_p90_ms", 1, 1, 1)], here)
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.checks[0].why == "measured at 95 %, needs 99 %"


def test_another_machine_never_passes(here: Facts) -> None:
    profile = _profile(
        {**LATENCY, "accuracy": {"min": 0.9}, "artifact_mb": {"max": 25}},
        match={"device_tree_model": "Some Board*"},
    )
    measured = [
        _measured("latency_p90_ms", 1, 1, 1),
        _measured("accuracy", 0.95, 0.94, 0.96),
        _measured("artifact_mb", 30, 30, 30, exact=True, samples=1),
    ]
    verdict = judge(profile, measured, here)
    assert (verdict.status, verdict.status.exit_code) == (Status.WRONG_DEVICE, 4)
    assert [check.status for check in verdict.checks] == [
        Status.WRONG_DEVICE,
        Status.PASS,
        Status.FAIL,
    ]
    assert "Some Board" in verdict.why
    assert "Some Board" in render(verdict)


def test_a_failing_budget_outweighs_the_undecided(here: Facts) -> None:
    profile = _profile({**LATENCY, "speedup": {"min": 2}})
    verdict = judge(profile, [_measured("speedup", 1.5, 1.4, 1.6)], here)
    assert (verdict.status, verdict.status.exit_code) == (Status.FAIL, 1)


# What would decide it


def test_it_says_how_many_rows_would_decide(here: Facts) -> None:
    """3 % discordance and 0.76 points of margin: about 3,200 rows (Connor 1987)."""
    deviation = math.sqrt(0.03 / 1000)
    measured = _measured(
        "accuracy_retention", 0.9776, 0.9776 - 1.645 * deviation, 0.9776 + 1.645 * deviation
    )
    verdict = judge(_profile({"accuracy_retention": {"min": 0.97}}), measured, here)
    assert verdict.checks[0].why == "needs about 3,300 rows (have 1,000)"


def test_it_says_when_nothing_would(here: Facts) -> None:
    measured = _measured("accuracy_retention", 0.97, 0.96, 0.98)
    verdict = judge(_profile({"accuracy_retention": {"min": 0.97}}), measured, here)
    assert verdict.checks[0].why == "too close to the limit for any number of rows"


def test_a_refused_percentile_says_what_it_needs(here: Facts) -> None:
    why = "needs 46 samples (have 20)"
    measured = _measured("latency_p90_ms", None, 30, None, samples=20, why=why)
    verdict = judge(_profile(LATENCY), measured, here)
    assert verdict.checks[0].why == why
    assert "? [30.00, ?]" in render(verdict)


# Statuses


@pytest.mark.parametrize(
    ("status", "code"),
    [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 3), ("NOT_MEASURED", 3), ("WRONG_DEVICE", 4)],
)
def test_exit_codes_are_as_designed(status: str, code: int) -> None:
    assert Status(status).exit_code == code


@given(st.lists(st.sampled_from(ALL), min_size=1))
def test_the_worst_status_wins(statuses: list[Status]) -> None:
    found = worst(statuses)
    order = ["PASS", "NOT_MEASURED", "INCONCLUSIVE", "WRONG_DEVICE", "FAIL"]
    assert found == max(statuses, key=lambda status: order.index(status.value))


def test_verdicts_combine_to_the_worst() -> None:
    verdicts = [Verdict("a", Status.PASS, ()), Verdict("b", Status.INCONCLUSIVE, ())]
    assert combine(verdicts) is Status.INCONCLUSIVE
    assert combine([]).exit_code == 3


# What is printed


def test_the_table_is_the_designs(here: Facts) -> None:
    profile = _profile({**LATENCY, "accuracy_retention": {"min": 0.99}, "artifact_mb": {"max": 30}})
    measured = [
        _measured("latency_p90_ms", 43.8, 42.9, 44.7, why="3 nodes on the FP32 path"),
        _measured("accuracy_retention", 0.991, 0.986, 0.996),
        _measured("artifact_mb", 22.4, 22.4, 22.4, exact=True, samples=1),
    ]
    verdict = judge(profile, measured, here, conditions="n=1024 in 10 processes  clean 97 %")
    assert render(verdict).splitlines() == [
        "FAIL  mine  n=1024 in 10 processes  clean 97 %",
        " ✗ latency_p90_ms     ≤ 40    43.80 [42.90, 44.70]  +9.5 %   3 nodes on the FP32 path",
        " ? accuracy_retention ≥ 0.99  0.991 [0.986, 0.996]  +0.1 %   needs about 58,000 rows"
        " (have 1,000)",
        " ✓ artifact_mb        ≤ 30    22.40 (exact)         -25.3 %",
    ]


def test_a_verdict_goes_into_a_report(here: Facts) -> None:
    verdict = judge(_profile(LATENCY), [_measured("latency_p90_ms", 38, 37, 39)], here)
    content = json.loads(json.dumps(verdict.to_json()))
    assert content["status"] == "PASS"
    check = content["checks"][0]
    assert (check["metric"], check["status"]) == ("latency_p90_ms", "PASS")
    assert check["budget"] == {"max": 40, "level": "error", "confidence": 0.95}
    assert check["measurement"]["upper"] == 39
    assert check["distance"] == pytest.approx(-0.05)


def test_a_budget_knows_its_limit() -> None:
    assert Budget(metric="speedup", min=2).limit == 2
    assert Budget(metric="speedup", min=2).meets(2.0)
    assert not Budget(metric="latency_p50_ms", max=2).meets(2.1)

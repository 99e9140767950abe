"""Verdicts: PASS, FAIL, and what would decide an INCONCLUSIVE one."""

from __future__ import annotations

import datetime
import functools
import json
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.budget import Budget
from profiles.device import DeviceProfile
from profiles.gate import Check, Circumstances, Status, Verdict, combine, judge, render, worst
from profiles.measurement import Figures
from profiles.statistics import Interval, highest_interval
from profiles.verdict import shown
from runtimes.facts import Facts, probe

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


def _all(*figures: Figures) -> Figures:
    return functools.reduce(operator.or_, figures)


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
    measured = _all(
        _measured("artifact_mb", 20, 20, 20, exact=True, samples=1),
        _measured("latency_p90_ms", 90, 80, 99),
    )
    verdict = judge(_profile(budgets), measured, here)
    assert (verdict.status, verdict.status.exit_code) == (Status.PASS, 0)
    assert verdict.checks[1].status is Status.FAIL
    assert "warn" in render(verdict)


def test_warnings_alone_pass(here: Facts) -> None:
    profile = _profile({"latency_p90_ms": {"max": 40, "level": "warn"}})
    assert judge(profile, NOTHING, here).status is Status.PASS


def test_what_was_not_measured_is_undecided(here: Facts) -> None:
    verdict = judge(_profile(LATENCY), NOTHING, here)
    assert verdict.checks[0].status is Status.NOT_MEASURED
    assert (verdict.status, verdict.status.exit_code) == (Status.INCONCLUSIVE, 3)


def test_each_budget_is_judged_at_its_own_confidence(here: Facts) -> None:
    asked: list[float] = []

    def bound(confidence: float) -> Interval:
        asked.append(confidence)
        return Interval(1, 1, 1, 9)

    profile = _profile({"latency_p90_ms": {"max": 40, "confidence": 0.99}})
    verdict = judge(profile, Figures({"latency_p90_ms": bound}), here, Circumstances(share=0.25))
    assert asked == pytest.approx([1 - 0.01 * 0.25] * len(asked))
    assert verdict.checks[0].measurement is not None
    assert verdict.checks[0].measurement.confidence == pytest.approx(0.9975)


def test_looks_spend_no_risk_on_what_they_do_not_measure_again(here: Facts) -> None:
    asked: list[float] = []

    def bound(confidence: float) -> Interval:
        asked.append(confidence)
        return Interval(1, 1, 1, 9)

    profile = _profile({"accuracy": {"min": 0.9}})
    judge(profile, Figures({"accuracy": bound}), here, Circumstances(share=0.25))
    assert asked == pytest.approx([0.95] * len(asked))


def _p90(reach: float, value: float = 44.0) -> Figures:
    """Make a p90 whose bounds widen as normal ones do."""
    return Figures({"latency_p90_ms": _normal(value, reach)})


def _normal(value: float, reach: float) -> Callable[[float], Interval]:
    from scipy.stats import norm

    def bound(confidence: float) -> Interval:
        spread = reach * float(norm.ppf(confidence))
        return Interval(value, value - spread, value + spread, 100)

    return bound


def test_many_checks_need_more_evidence_for_a_fail_and_not_for_a_pass(here: Facts) -> None:
    """Alone, 44 is over 40 by 1.8 deviations: enough at 95 %, but not among three (Holm)."""
    figures = _p90(2.2) | Figures({"speedup": _normal(3, 0.01), "accuracy": _normal(0.95, 0.001)})
    assert judge(_profile(LATENCY), figures, here).status is Status.FAIL
    budgets = {**LATENCY, "speedup": {"min": 2}, "accuracy": {"min": 0.9}}
    verdict = judge(_profile(budgets), figures, here)
    assert [check.status.value for check in verdict.checks] == ["INCONCLUSIVE", "PASS", "PASS"]
    assert "Holm" in verdict.checks[0].why


def test_one_clear_fail_lowers_the_bar_for_the_next(here: Facts) -> None:
    """Holm steps down: after the first rejection, the risk is shared by one hypothesis less."""
    figures = _p90(2.2) | Figures({"speedup": _normal(1, 0.01)})
    verdict = judge(_profile({**LATENCY, "speedup": {"min": 2}}), figures, here)
    assert [check.status for check in verdict.checks] == [Status.FAIL, Status.FAIL]


def test_on_a_noisy_machine_an_absolute_figure_passes_and_never_fails(here: Facts) -> None:
    noisy = Circumstances(noise="others use 1.9 of 2 cores")
    figures = _p90(0.1) | _measured("latency_p50_ratio", 1.2, 1.19, 1.21)
    profile = _profile({**LATENCY, "latency_p50_ratio": {"max": 1.05}})
    verdict = judge(profile, figures, here, noisy).checks
    assert [check.status for check in verdict] == [Status.INCONCLUSIVE, Status.FAIL]
    assert "noisy" in verdict[0].why
    quick = judge(_profile(LATENCY), _p90(0.1, value=30), here, noisy)
    assert quick.status is Status.PASS


@pytest.mark.parametrize(
    ("metric", "status"),
    [
        (
            "latency_p50_vs_baseline",
            Status.INCONCLUSIVE,
        ),  # measured without this noise
        ("cold_start_p50_ms", Status.INCONCLUSIVE),
        ("latency_p50_ratio", Status.FAIL),  # measured with it
        ("rss_peak_mb", Status.FAIL),  # no neighbor makes a process larger
        ("rss_peak_vs_baseline", Status.FAIL),
    ],
)
def test_noise_excuses_what_is_timed_alone(here: Facts, metric: str, status: Status) -> None:
    noisy = Circumstances(noise="others use 1.9 of 2 cores")
    measured = _measured(metric, 1.3, 1.2, 1.4)
    assert judge(_profile({metric: {"max": 1.1}}), measured, here, noisy).status is status


# Waivers and baselines

WAIVER = {"reason": "the new tokenizer, #12", "expires": "2026-06-30"}


@pytest.mark.parametrize(
    ("day", "status"), [("2026-06-30", Status.PASS), ("2026-07-01", Status.FAIL)]
)
def test_a_waiver_holds_until_its_day(here: Facts, day: str, status: Status) -> None:
    profile = _profile({"latency_p90_ms": {"max": 40, "waiver": WAIVER}})
    today = Circumstances(today=datetime.date.fromisoformat(day))
    verdict = judge(profile, _p90(0.1), here, today)
    check = verdict.checks[0]
    assert (verdict.status, check.status) == (status, Status.FAIL)
    said = "waived until 2026-06-30: the new tokenizer, #12"
    assert (said in render(verdict)) == (status is Status.PASS)
    assert ("waiver expired on 2026-06-30" in check.why) == (status is Status.FAIL)


def test_a_baseline_of_another_machine_warns(here: Facts) -> None:
    profile = _profile({name: {"max": 1.1} for name in ("rss_peak_vs_baseline",)})
    figures = _measured("rss_peak_vs_baseline", 2, 1.9, 2.1)
    foreign = Circumstances(foreign="the baseline is of another machine")
    assert judge(profile, figures, here).status is Status.FAIL
    verdict = judge(profile, figures, here, foreign)
    assert verdict.status is Status.PASS
    assert "another machine" in render(verdict)


def test_what_a_comparison_lacks_is_said(here: Facts) -> None:
    profile = _profile({"speedup": {"min": 2}, "artifact_vs_baseline": {"max": 1.1}})
    missing = {"reference": "needs --reference", "baseline": "needs --baseline"}
    verdict = judge(profile, NOTHING, here, Circumstances(missing=missing)).checks
    assert [check.why for check in verdict] == ["needs --reference", "needs --baseline"]


def test_another_machine_never_passes(here: Facts) -> None:
    profile = _profile(
        {**LATENCY, "accuracy": {"min": 0.9}, "artifact_mb": {"max": 25}},
        match={"device_tree_model": "Some Board*"},
    )
    measured = _all(
        _measured("latency_p90_ms", 1, 1, 1),
        _measured("accuracy", 0.95, 0.94, 0.96),
        _measured("artifact_mb", 30, 30, 30, exact=True, samples=1),
    )
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
    verdict = judge(profile, _measured("speedup", 1.5, 1.4, 1.6), here)
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


@pytest.mark.parametrize(
    ("metric", "noun"),
    [
        ("latency_p90_ratio", "samples"),
        ("cold_start_p50_ratio", "cold starts"),
        ("rss_peak_ratio", "processes"),
        ("latency_p90_vs_baseline", "processes"),
    ],
)
def test_what_would_decide_is_counted_as_it_was_measured(
    here: Facts, metric: str, noun: str
) -> None:
    measured = _measured(metric, 1.02, 0.9, 1.2, samples=10)
    why = judge(_profile({metric: {"max": 1.1}}), measured, here).checks[0].why
    assert why.startswith("needs about")
    assert f" {noun} (have 10)" in why


@pytest.mark.parametrize(
    ("lower", "value", "upper"), [(0.1, 0.1, 0.995), (0.9, 0.95, 0.995), (0.985, 0.995, 0.996)]
)
def test_what_would_decide_is_always_more_than_there_is(
    here: Facts, lower: float, value: float, upper: float
) -> None:
    measured = _measured("accuracy", value, lower, upper, samples=10)
    why = judge(_profile({"accuracy": {"min": 0.99}}), measured, here).checks[0].why
    needed = int(why.removeprefix("needs about ").split()[0].replace(",", ""))
    assert needed > 10, why


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
    combined = worst(statuses)
    order = ["PASS", "NOT_MEASURED", "INCONCLUSIVE", "WRONG_DEVICE", "FAIL"]
    assert combined == max(statuses, key=lambda status: order.index(status.value))


def test_verdicts_combine_to_the_worst() -> None:
    verdicts = [Verdict("a", Status.PASS, ()), Verdict("b", Status.INCONCLUSIVE, ())]
    assert combine(verdicts) is Status.INCONCLUSIVE
    assert combine([]).exit_code == 3


# What is printed


def test_the_table_is_the_designs(here: Facts) -> None:
    profile = _profile({**LATENCY, "accuracy_retention": {"min": 0.99}, "artifact_mb": {"max": 30}})
    measured = _all(
        _measured("latency_p90_ms", 43.8, 42.9, 44.7, why="3 nodes on the FP32 path"),
        _measured("accuracy_retention", 0.991, 0.986, 0.996),
        _measured("artifact_mb", 22.4, 22.4, 22.4, exact=True, samples=1),
    )
    verdict = judge(
        profile, measured, here, Circumstances(conditions="n=1024 in 10 processes  clean 97 %")
    )
    assert render(verdict).splitlines() == [
        "✗ FAIL on mine  n=1024 in 10 processes  clean 97 %",
        " ✗ latency_p90_ms     ≤ 40    43.80 [42.90, 44.70]  +9.5 %   3 nodes on the FP32 path",
        " ? accuracy_retention ≥ 0.99  0.991 [0.986, 0.996]  +0.1 %   needs about 58,000 rows"
        " (have 1,000)",
        " ✓ artifact_mb        ≤ 30    22.40 (exact)         -25.3 %",
    ]


def test_a_verdict_goes_into_a_report(here: Facts) -> None:
    verdict = judge(_profile(LATENCY), _measured("latency_p90_ms", 38, 37, 39), here)
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


def test_a_verdict_on_what_another_transport_reached_is_of_the_wrong_device(here: Facts) -> None:
    figures = _all(
        _measured("artifact_mb", 1, 1, 1, exact=True), _measured("latency_p90_ms", 1, 1, 1)
    )
    profile = _profile({"artifact_mb": {"max": 2}, **LATENCY}, transport={"kind": "ssh"})
    why = "its device is reached by 'ssh'"
    verdict = judge(profile, figures, here, Circumstances(elsewhere=why))
    assert (verdict.status, verdict.why) == (Status.WRONG_DEVICE, why)
    assert [check.status for check in verdict.checks] == [Status.PASS, Status.WRONG_DEVICE]


# The highest of all processes


def _peaks(here: Facts, peaks: list[float], share: float) -> Check:
    profile = _profile({"rss_peak_mb": {"max": 100}})
    figures = Figures({"rss_peak_mb": lambda c: highest_interval(peaks, c, "processes")})
    return judge(profile, figures, here, Circumstances(share=share)).checks[0]


def test_a_process_over_the_limit_is_a_fact(here: Facts) -> None:
    check = _peaks(here, [90.0, 101.0], 0.2)
    assert check.status is Status.FAIL


def test_few_processes_within_the_limit_show_little(here: Facts) -> None:
    check = _peaks(here, [90.0] * 12, 0.2)
    assert check.status is Status.INCONCLUSIVE
    assert check.why == "needs 29 processes (have 12)"
    assert shown(check.measurement) == "90.00 [90.00, ?]"


def test_thirty_processes_within_the_limit_pass_whatever_the_look(here: Facts) -> None:
    check = _peaks(here, [90.0] * 30, 0.2)
    assert check.status is Status.PASS
    assert check.measurement is not None
    assert check.measurement.confidence == pytest.approx(0.95)


def test_looks_at_the_highest_share_no_risk() -> None:
    """One process in ten and a bit exceeds the limit: ever to pass at 30, 46 or 90 is unlikely."""
    rng, passed = np.random.default_rng(1), 0
    for _ in range(2_000):
        peaks = np.where(rng.random(90) < 0.101, 110.0, 90.0)
        passed += any(
            highest_interval(peaks[:count], 0.95, "processes").upper == 90.0
            for count in (12, 30, 46, 90)
        )
    assert passed / 2_000 <= 0.05


@pytest.mark.parametrize(
    ("at", "status"),
    [
        (Circumstances(), Status.PASS),
        (Circumstances(fault="the process failed"), Status.NOT_MEASURED),
        (Circumstances(unsound="its answers are nan"), Status.FAIL),
    ],
)
def test_a_model_that_does_not_run_never_passes(
    here: Facts, at: Circumstances, status: Status
) -> None:
    profile = _profile({"artifact_mb": {"max": 1.1, "level": "warn"}})
    verdict = judge(profile, NOTHING, here, at)
    assert (verdict.status, verdict.why) == (status, at.fault or at.unsound)


def test_what_others_wrote_stays_in_its_cell() -> None:
    check = Check(Budget(metric="accuracy", min=0.9), None, Status.FAIL, why="class 'a\n::b\x1b'")
    told = render(Verdict("p", Status.FAIL, (check,), why="x\ny"))
    assert len(told.splitlines()) == 3
    assert "a\\n::b\\u001b" in told
    assert "x\\ny" in told

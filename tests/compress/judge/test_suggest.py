"""Suggested budgets: the measured model meets them, with the room that the reason states."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compress.judge.suggest import suggest_budgets
from profiles.budget import METRICS, Budget
from profiles.device import DeviceProfile
from profiles.measurement import Measurement


def _figure(metric: str, value: float, reach: float = 0.0, *, exact: bool = False) -> Measurement:
    confidence = None if exact else 0.95
    unit = METRICS[metric].unit
    return Measurement(metric, unit, value, value - reach, value + reach, confidence, 100)


FIGURES: Mapping[str, Measurement] = {
    "latency_p50_ms": _figure("latency_p50_ms", 0.64, 0.01),
    "accuracy": _figure("accuracy", 0.92, 0.01),
    "artifact_mb": _figure("artifact_mb", 6.001, exact=True),
    "speedup": _figure("speedup", 9.4, 0.4),
    "cold_start_p90_ms": Measurement(
        "cold_start_p90_ms", "ms", None, 1.0, None, 0.95, 9, why="needs 46 cold starts (have 9)"
    ),
}


def test_the_printed_budgets_are_a_profiles() -> None:
    suggestions, _ = suggest_budgets(FIGURES)
    table = tomllib.loads("\n".join(row.toml() for row in suggestions))
    profile = DeviceProfile.model_validate({"schema": 1, "name": "mine", "budgets": table})
    assert list(profile.budgets) == ["latency_p50_ms", "artifact_mb", "accuracy", "speedup"]


def test_limits_are_the_sum_that_the_reason_states() -> None:
    suggestions = {row.metric: row for row in suggest_budgets(FIGURES)[0]}
    assert suggestions["latency_p50_ms"].limit == pytest.approx((0.65 + 0.01) * 1.05, rel=0.01)
    assert suggestions["accuracy"].limit == 0.9
    assert suggestions["artifact_mb"].limit == pytest.approx(6.13)
    assert suggestions["speedup"].limit == pytest.approx((9.0 - 0.4) / 1.05, rel=0.01)
    assert "bound 0.65" in suggestions["latency_p50_ms"].reason
    assert "5% for drift" in suggestions["latency_p50_ms"].reason


def test_what_the_samples_do_not_support_gets_no_budget() -> None:
    suggestions, refused = suggest_budgets(FIGURES)
    assert "cold_start_p90_ms" not in {row.metric for row in suggestions}
    assert refused == ["cold_start_p90_ms: needs 46 cold starts (have 9)"]


def test_headroom_comes_on_top() -> None:
    plain, roomy = (suggest_budgets(FIGURES, room)[0][0].limit for room in (0.0, 0.1))
    assert roomy == pytest.approx(plain * 1.15 / 1.05, rel=0.01)


def test_what_is_known_too_roughly_gets_no_budget() -> None:
    suggestions, refused = suggest_budgets({"speedup": _figure("speedup", 2.0, 1.0)})
    assert not suggestions
    assert "too uncertain" in refused[0]


@example("accuracy", 1.0, 2.220446049250313e-16, 0.0)
@given(
    st.sampled_from(["latency_p50_ms", "rss_peak_mb", "speedup", "accuracy", "f1_macro"]),
    st.floats(0.05, 1.0),
    st.floats(0, 0.49),
    st.floats(0, 10),
)
def test_the_measured_model_meets_its_own_budget(
    metric: str, value: float, share: float, headroom: float
) -> None:
    highest = metric == "rss_peak_mb"  # its value is the most that any process showed
    figure = _figure(metric, value, 0.0 if highest else share * value)
    (row,), _ = suggest_budgets({metric: figure}, headroom)
    budget = Budget.model_validate({"metric": metric, row.side: row.limit})
    bad = figure.upper if row.side == "max" else figure.lower
    assert bad is not None
    assert budget.meets(bad)

"""The gate on simulated sessions whose truth is known: how often is it wrong?

Each question is asked for 100 sessions of every kind of machine, and for 2,000 where slow tests
run, look by look as in tier ci. The two models are equally fast. For another true ratio, the limit
is scaled instead, since every bound scales with the latencies.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest

from profiles.budget import Budget
from profiles.device import DeviceProfile, load_profile
from profiles.gate import Status
from profiles.measurement import Figures
from profiles.statistics import mean_interval
from tests.profiles.simulated import CI, MACHINES, Floats, SimulatedSession, true_quantile
from tests.profiles.simulated_gates import gate, limited

FEW, MANY = 100, 2_000
GATES = pytest.mark.parametrize("gates", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
RATIOS = ("latency_p50_ratio", "latency_p90_ratio")
ABSOLUTE = ("latency_p50_ms", "latency_p90_ms")
FIGURES = (*ABSOLUTE, "speedup")
"""p50's ratio is left out: it is the inverse of the speed-up, and so are its bounds."""


@dataclass(slots=True)
class VerdictCounts:
    """Count verdicts by question, also those of each look, and bounds beyond the truth."""

    verdicts: Counter[tuple[str, Status]] = field(default_factory=Counter)
    by_look: Counter[tuple[str, Status, int]] = field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    gates: int = 0

    def share(self, question: str, status: Status) -> float:
        """Return how often a question had this status."""
        return self.verdicts[question, status] / self.gates

    def share_at(self, look: int, question: str, status: Status) -> float:
        """Return how often a question was decided so at a look (1 is the first)."""
        return self.by_look[question, status, look] / self.gates

    def missed_by(self, metric: str, side: str) -> float:
        """Return how often a 95 % bound of the first look was beyond the truth."""
        return self.missed[metric, side] / self.gates


def _truths(kind: str, look: int = -1) -> dict[str, float]:
    """Return each metric's truth; for a machine that drifts, it differs at each look."""
    machine, processes = MACHINES[kind], CI.looks[look]
    absolute = {"latency_p50_ms": 0.5, "latency_p90_ms": 0.9}
    truths = {metric: true_quantile(machine, q, processes) for metric, q in absolute.items()}
    return {"speedup": 1.0, "latency_p90_ratio": 1.0, **truths}


def _with_room(truths: Mapping[str, float], metric: str, room: float) -> DeviceProfile:
    """Limit one metric to its truth with some room, which may be negative (below 1)."""
    truth = truths[metric]
    return limited({metric: truth / room if metric == "speedup" else truth * room})


def _shipped(slower: float) -> DeviceProfile:
    """Return the timing budgets of profile "regression", for a model that much slower."""
    budgets: Mapping[str, Budget] = load_profile("regression").budgets
    return limited({metric: budgets[metric].limit / slower for metric in RATIOS})


def _common(kind: str) -> dict[str, DeviceProfile]:
    truths = _truths(kind)
    return {
        "equal": _shipped(1.0),
        "slower": _shipped(1.1),
        **{f"{metric} met": _with_room(truths, metric, 1.1) for metric in FIGURES},
        **{f"{metric} missed": _with_room(truths, metric, 1 / 1.1) for metric in FIGURES},
    }


def _at_the_limit(kind: str) -> dict[str, DeviceProfile]:
    truths = _truths(kind)
    return {
        **{metric: _with_room(truths, metric, 1.0) for metric in truths},
        "both ratios": limited(dict.fromkeys(RATIOS, 1.0)),
        "all": limited(truths),
    }


def _tally(kind: str, profiles: Mapping[str, DeviceProfile], seeds: Iterable[int]) -> VerdictCounts:
    tally, truths = VerdictCounts(), _truths(kind, look=0)
    for seed in seeds:
        session = SimulatedSession(MACHINES[kind], seed)
        for question, profile in profiles.items():
            verdict, looks = gate(profile, session)
            tally.verdicts[question, verdict.status] += 1
            tally.by_look[question, verdict.status, looks] += 1
        tally.missed.update(_misses(session.figures(0), truths))
        tally.gates += 1
    return tally


def _misses(figures: Figures, truths: Mapping[str, float]) -> Iterable[tuple[str, str]]:
    for metric, truth in truths.items():
        figure = figures.at(metric, 0.95)
        assert figure is not None
        if figure.lower is not None and figure.lower > truth:
            yield metric, "lower"
        if figure.upper is not None and figure.upper < truth:
            yield metric, "upper"


@cache
def _answers(kind: str, gates: int) -> VerdictCounts:
    return _tally(kind, _common(kind), range(gates))


@cache
def _answers_at_the_limit(kind: str, gates: int) -> VerdictCounts:
    return _tally(kind, _at_the_limit(kind), range(gates))


KINDS = pytest.mark.parametrize("kind", MACHINES)


def _sure(share: float, gates: int) -> float:
    """Return the bound of a true share in such a count, exceeded once in a thousand times."""
    return share + 3.1 * math.sqrt(share * (1 - share) / gates)


def _most(share: float, gates: int) -> float:
    """Return what many gates must not exceed, and few gates only by chance."""
    return share if gates >= MANY else _sure(share, gates)


def _least(share: float, gates: int) -> float:
    return 1 - _most(1 - share, gates)


@KINDS
@GATES
def test_equals_are_no_regression(kind: str, gates: int) -> None:
    assert _answers(kind, gates).share("equal", Status.FAIL) <= _most(0.01, gates)


@KINDS
@GATES
def test_a_tenth_slower_does_not_pass(kind: str, gates: int) -> None:
    """p50 is over its limit by half of that, p90 at its limit."""
    assert _answers(kind, gates).share("slower", Status.PASS) <= _most(0.05, gates)


@KINDS
@GATES
@pytest.mark.parametrize("metric", FIGURES)
def test_a_budget_met_with_room_does_not_fail(kind: str, gates: int, metric: str) -> None:
    assert _answers(kind, gates).share(f"{metric} met", Status.FAIL) <= _most(0.01, gates)


@KINDS
@GATES
@pytest.mark.parametrize("metric", FIGURES)
def test_a_budget_missed_by_a_tenth_does_not_pass(kind: str, gates: int, metric: str) -> None:
    assert _answers(kind, gates).share(f"{metric} missed", Status.PASS) <= _most(0.05, gates)


@pytest.mark.parametrize("kind", ["calm", "heavy tail", "drift", "preempted"])
@GATES
def test_a_slower_model_is_caught(kind: str, gates: int) -> None:
    """A gate that never decides is never wrong, so this counts decisions."""
    answers = _answers(kind, gates)
    assert answers.share("slower", Status.FAIL) > _least(0.95, gates)
    assert answers.share("equal", Status.PASS) > _least(0.95, gates)
    assert answers.share("speedup missed", Status.FAIL) > _least(0.99, gates)
    assert answers.share("speedup met", Status.PASS) > _least(0.99, gates)


def test_a_clear_margin_is_decided_as_soon_as_it_can_be() -> None:
    """A FAIL of a ratio at the first look; a PASS at the second, which has enough processes to show
    that few are slow: that is its price. The first look of an absolute latency is too short to tell
    a slow minute from a slow model where its processes happen to resemble their neighbors."""
    answers = _answers("calm", FEW)
    for metric, at_once in (("latency_p50_ms", 0.5), ("speedup", 0.9)):
        assert answers.share_at(2, f"{metric} met", Status.PASS) > 0.9
        assert answers.share_at(1, f"{metric} missed", Status.FAIL) > at_once
    assert answers.share_at(2, "equal", Status.PASS) > 0.8
    assert answers.share_at(1, "equal", Status.PASS) == 0


# Bounds: a side of 95 % misses 5 % of the time, two points more or less


@KINDS
@GATES
@pytest.mark.parametrize("metric", ["speedup", "latency_p90_ratio"])
def test_bounds_of_ratios_are_nominal(kind: str, gates: int, metric: str) -> None:
    answers = _answers(kind, gates)
    for side in ("lower", "upper"):
        assert answers.missed_by(metric, side) <= _most(0.07, gates)
        assert answers.missed_by(metric, side) >= (0.03 if gates >= MANY else 0.005)


@KINDS
@GATES
@pytest.mark.parametrize("metric", ABSOLUTE)
def test_bounds_of_latencies_cover(kind: str, gates: int, metric: str) -> None:
    """Conservative: the wider of two bounds, and rows that go round are drawn evenly."""
    answers = _answers(kind, gates)
    assert max(answers.missed_by(metric, side) for side in ("lower", "upper")) <= _most(0.07, gates)


# At the limit, where a verdict either way is an error, over all looks


def _keeps_its_risk(kind: str, gates: int) -> None:
    answers = _answers_at_the_limit(kind, gates)
    for question in _at_the_limit(kind):
        drifts = MACHINES[kind].drift and question in ABSOLUTE
        assert answers.share(question, Status.FAIL) <= _sure(0.05, gates), question
        # A machine that drifts was faster at the first look, when it passed.
        assert drifts or answers.share(question, Status.PASS) <= _sure(0.05, gates), question


def test_looks_spend_the_risk_once() -> None:
    _keeps_its_risk("calm", gates=FEW)


@pytest.mark.slow
@KINDS
def test_looks_spend_the_risk_once_on_every_machine(kind: str) -> None:
    _keeps_its_risk(kind, MANY)


def test_looks_that_each_spend_all_of_it_are_wrong_too_often() -> None:
    """This is why the risk is spent over the looks."""
    rng = np.random.default_rng(0)
    sessions = np.exp(rng.normal(0, 0.02, (MANY, CI.looks[-1])))
    spent = np.mean([_falls(ratios, CI.shares) for ratios in sessions])
    whole = np.mean([_falls(ratios, (1.0, 1.0, 1.0)) for ratios in sessions])
    assert spent <= _sure(0.05, MANY)
    assert spent >= 0.025
    assert whole > 0.08


def _falls(ratios: Floats, shares: Iterable[float]) -> bool:
    """Tell whether any look's lower bound is over the true ratio, 1."""
    lower = (
        mean_interval(ratios[:processes], 1 - 0.05 * share).lower
        for processes, share in zip(CI.looks, shares, strict=True)
    )
    return any(bound is not None and bound > 1 for bound in lower)

"""Each rule of the advice, on facts that are made for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compress.advising.bags import Curve
from compress.advising.facts import Facts, Option
from compress.advising.recorded import Run, recorded
from compress.advising.rows import Look
from compress.advising.rules import decide
from compress.report.schema import Estimate
from tests.compress.searching import right

LOOK = Look(10_000, 77, 130.0, "a", 35, "b", 180, 0, 0, 10.0, 40.0)


def kept(value: float, width: float = 0.01) -> Estimate:
    return Estimate(value, value - width, value + width, 0.95, "each")


TEACHER = Option("teacher", "the teacher", 6.0, 9.0, 1.0, 91.0, accuracy=0.93, retention=kept(1.0))
QUANTIZED = Option("quantize", "int8", 2.5, 4.0, 2.4, 24.0, accuracy=0.93, retention=kept(1.0))
LINEAR = Option("linear", "bag", 0.05, 0.1, 120.0, 3.0, accuracy=0.91, retention=kept(0.975))
STUDENTS = [
    Option("distil", f"{n} layers", 0.3 * n, 0.5 * n, 20.0 / n, 2.0 * n, layers=n)
    for n in (1, 2, 3)
]
UNORDERED = Option("distil", "unordered", 0.1, 0.2, 60.0, 2.0, layers=1, positions=False)
BAG = Option("distil", "no layer", 0.05, 0.1, 120.0, 2.6, layers=0, positions=False)


def ran(layers: int, kept: float, linear: float = 91.0) -> Run:
    """Return a run that is made up for a test; a linear model keeps `linear` % of the teacher."""
    return Run("distil", layers, 100 * kept, 100.0, linear, "made up", "made up")


def with_bag(*runs: Run, **changes: object) -> Facts:
    """Return the facts with a bag student among the options, and these recorded runs alone."""
    return replace(facts(**changes), options=(*facts(**changes).options, BAG), recorded=runs)  # type: ignore[arg-type]


def facts(*, linear: Option = LINEAR, quantized: Option = QUANTIZED, **changes: object) -> Facts:
    """Return what was seen on Banking77 in round numbers, with some of it changed."""
    base = Facts(
        goal=0.98,
        look=LOOK,
        curve=Curve(right(840), right(860)),
        suspects=200,
        options=(TEACHER, quantized, linear, UNORDERED, *STUDENTS),
        order=kept(0.93),
        held_rows=1500,
        enough_is_said=False,
        cuts=True,
        recorded=recorded(),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_student_of_one_layer_where_recorded_runs_reached_the_goal() -> None:
    answer = decide(facts())
    assert (answer.kind, answer.option.layers, answer.option.positions) == ("distil", 1, True)


def test_a_higher_goal_takes_more_layers() -> None:
    assert decide(facts(goal=0.99)).option.layers == 2


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"linear": replace(LINEAR, retention=kept(0.995))}, "linear"),
        ({"linear": replace(LINEAR, retention=kept(0.985))}, "distil"),  # not surely
        ({"linear": replace(LINEAR, retention=kept(1.0), missed=("artifact_mb ≤ 2",))}, "distil"),
        ({"look": replace(LOOK, rows_a_class=5.0)}, "more-data"),
        ({"curve": Curve(right(700), right(820))}, "more-data"),
        ({"suspects": 1_900}, "cleaner-data"),
        ({"cuts": False}, "quantize"),
        ({"cuts": False, "quantized": replace(QUANTIZED, retention=kept(0.9))}, "leave"),
    ],
)
def test_the_rules(changes: dict[str, object], kind: str) -> None:
    assert decide(facts(**changes)).kind == kind  # type: ignore[arg-type]


def test_the_smallest_linear_model_that_keeps_the_goal_and_its_limits_is_enough() -> None:
    small = replace(LINEAR, name="words", size_mb=1.0, retention=kept(0.995))
    large = replace(LINEAR, retention=kept(0.999))
    others = tuple(one for one in facts().options if one.kind != "linear")
    for mine, name in (
        (small, "words"),
        (replace(small, retention=kept(0.97)), "bag"),
        (replace(small, missed=("latency_p90_ms ≤ 0.01",)), "bag"),
    ):
        answer = decide(facts(options=(*others, large, mine)))
        assert (answer.kind, answer.option.name) == ("linear", name)
        assert f"{name} keeps" in answer.why


def test_where_a_linear_model_is_far_below_the_runs_on_such_rows_decide() -> None:
    reviews = facts(goal=0.97, linear=replace(LINEAR, retention=kept(0.935)), order=kept(0.95))
    answer = decide(reviews)
    assert not reviews.order_matters
    assert (answer.kind, answer.option.layers) == ("distil", 2)
    assert decide(replace(reviews, goal=0.99)).option.layers == 3
    known = reviews.recorded_range("distil", 1)
    assert known is not None
    assert known.upper < 0.95


def test_where_order_matters_a_bag_of_words_and_a_shallow_student_are_refused() -> None:
    linear = replace(LINEAR, retention=kept(0.6))
    answer = decide(facts(linear=linear, order=kept(0.55)))
    assert (answer.kind, answer.option.layers) == ("distil", 3)
    assert "order" in answer.why


def test_what_meets_a_limit_in_milliseconds_is_enough() -> None:
    slow = replace(TEACHER, missed=("latency_p90_ms ≤ 5",))
    options = facts().options
    assert decide(facts(enough_is_said=True)).kind == "leave"
    assert decide(facts(enough_is_said=True, options=(slow, *options[1:]))).kind == "quantize"
    both = tuple(replace(one, missed=("latency_p90_ms ≤ 1",)) for one in options[:2])
    assert decide(facts(enough_is_said=True, options=(*both, *options[2:]))).kind == "distil"


def test_an_undecided_limit_is_not_met() -> None:
    unsure = replace(TEACHER, unknown=("latency_p90_ms ≤ 5",))
    quantized = replace(QUANTIZED, unknown=("latency_p90_ms ≤ 5",))
    rest = facts().options[2:]
    assert decide(facts(enough_is_said=True, options=(unsure, quantized, *rest))).kind == "distil"


def test_a_student_of_no_layer_comes_first_where_recorded_runs_reached_the_goal() -> None:
    answer = decide(with_bag(ran(0, 0.99, 97.0), ran(0, 0.985, 97.0), ran(1, 0.985, 97.0)))
    assert (answer.kind, answer.option.layers) == ("distil", 0)
    assert answer.words == "distil to no layer (pieces and pairs)"
    assert "recorded runs of no layer (pieces and pairs) kept 98.5% to 99.0%" in answer.why


@pytest.mark.parametrize(
    "runs",
    [
        (ran(1, 0.985, 97.0),),  # none of no layer is recorded
        (ran(0, 0.97, 97.0), ran(1, 0.985, 97.0)),  # it missed the goal
        (ran(0, 0.99, 90.0), ran(1, 0.985, 97.0)),  # its rows were of another kind
    ],
)
def test_without_such_runs_a_student_of_layers_is_taken(runs: tuple[Run, ...]) -> None:
    answer = decide(with_bag(*runs))
    assert (answer.option.layers, answer.words) == (1, "distil to 1 layer")


@pytest.mark.parametrize("limit", [(), ("latency_p90_ms ≤ 0.2",)])
def test_where_order_matters_no_student_of_no_layer_is_taken(limit: tuple[str, ...]) -> None:
    seen = with_bag(ran(0, 0.99, 60.0), linear=replace(LINEAR, retention=kept(0.6)))
    deep = tuple(replace(one, missed=limit if one.positions else ()) for one in seen.options)
    answer = decide(replace(seen, options=deep, order=kept(0.55)))
    assert (answer.kind, answer.option.layers) == ("distil", 3)
    assert "no layer" in answer.why


def test_the_only_student_within_the_limits_is_taken_without_a_recorded_run() -> None:
    seen = with_bag(ran(1, 0.985, 97.0))
    slow = tuple(
        replace(one, missed=("latency_p90_ms ≤ 0.2",)) if one.positions and one.layers else one
        for one in seen.options
    )
    answer = decide(replace(seen, options=slow))
    assert (answer.kind, answer.option.layers) == ("distil", 0)
    assert "no run of no layer (pieces and pairs) on such rows is recorded" in answer.why
    assert "no other student is within the profile's limits" in answer.why


def test_a_fast_student_that_is_not_the_one_to_take_is_no_gain() -> None:
    slow = replace(STUDENTS[0], p50_ms=2.4, size_mb=20.0)
    options = (TEACHER, QUANTIZED, LINEAR, BAG, slow)
    answer = decide(replace(with_bag(), options=options))
    assert (answer.kind, answer.rule) == ("quantize", "little_to_gain")
    assert "1 layer" in answer.why
    known = replace(with_bag(ran(0, 0.99, 97.0)), options=options)
    assert decide(known).option.layers == 0

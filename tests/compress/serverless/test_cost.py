"""The bill of a million requests follows the platform's formula."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.serverless.cost import Bill, Prices, bill
from compress.serverless.sweep import Swept, cheapest

DURATIONS = st.lists(st.floats(0.001, 900_000), min_size=1, max_size=50)


def test_a_worked_example() -> None:
    # 3 million requests of 120 ms at 1,536 MB are 540,000 GB-s, as the price page counts them
    made = bill(1_536, [120.0] * 4)
    assert 3 * made.gb_s == pytest.approx(540_000)
    assert made.cost(Prices(gb_s=2.0, million_requests=5.0)) == pytest.approx(360_005)


def test_each_duration_is_rounded_up_before_the_mean() -> None:
    assert bill(1_024, [0.2, 1.0, 1.01]).billed_ms == pytest.approx(4 / 3)


def test_cold_starts_count_by_their_share() -> None:
    made = bill(1_024, [1.0], [99.5, 199.5], cold_share=0.1)
    assert made.billed_ms == pytest.approx(0.9 * 1 + 0.1 * 150)
    assert bill(1_024, [1.0], [99.5]).billed_ms == 1
    assert "10 % of them cold" in made.requests
    assert bill(1_024, [1.0], [99.5]).requests == "a million warm requests"
    assert bill(1_024, [1.0], [], cold_share=0.1).cold_share == 0


@given(DURATIONS, DURATIONS, st.floats(0, 1))
def test_a_bill_with_cold_starts_lies_between_the_warm_one_and_theirs(
    warm: list[float], cold: list[float], share: float
) -> None:
    ends = sorted((bill(128, warm).billed_ms, bill(128, cold).billed_ms))
    assert ends[0] - 1e-6 <= bill(128, warm, cold, share).billed_ms <= ends[1] * (1 + 1e-9)


@given(DURATIONS, st.integers(128, 10_240))
def test_a_bill_lies_within_a_millisecond_above_the_mean(
    durations: list[float], memory_mb: int
) -> None:
    mean = sum(durations) / len(durations)
    made = bill(memory_mb, durations)
    assert mean - 1e-6 <= made.billed_ms <= mean + 1
    assert made.gb_s == pytest.approx(made.billed_ms * memory_mb / 1.024)


def test_the_size_with_the_fewest_gb_seconds_is_the_cheapest_at_any_price() -> None:
    small = Swept(128, 0.07, why_not="memory ran out")
    rows = [
        Swept(size, size / 1_769, held_by="cgroup", bill=Bill(size, ms))
        for size, ms in ((256, 9), (512, 4), (1_769, 2))
    ]
    assert cheapest([small, *rows]) is rows[1]
    assert cheapest([small]) is None


def test_no_size_is_the_cheapest_where_a_part_of_a_cpu_was_not_enforced() -> None:
    whole = Swept(1_769, 1.0, bill=Bill(1_769, 2), held_by="RLIMIT_DATA")
    part = Swept(128, 0.07, bill=Bill(128, 2), held_by="RLIMIT_DATA")
    assert (whole.cpu_held, part.cpu_held) == (True, False)
    assert cheapest([whole]) is whole
    assert cheapest([part, whole]) is None

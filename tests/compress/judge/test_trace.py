"""The series of temperature and clock: in the order of time, short, and with its extremes."""

from __future__ import annotations

from typing import Any

from compress.judge.trace import MOST_MOMENTS, trace_of
from runtimes.samples import Block


def _block(at_s: float | None, **shown: Any) -> Block:
    return Block(0, 0, (1.0,), (False,), (1.0, 1.0), at_s=at_s, **shown)


def test_blocks_of_all_models_stand_in_the_order_of_time() -> None:
    made = trace_of(
        [
            _block(105.0, temperature_c=61.04, mhz=1800.0),
            _block(101.5, temperature_c=None, mhz=2400.0, throttled=True, slowed=("throttled",)),
            _block(None, temperature_c=99.0),
        ]
    )
    assert made is not None
    assert made.at_s == (0.0, 3.5)
    assert made.temperature_c == (None, 61.0)
    assert made.clock_mhz == (2400.0, 1800.0)
    assert (made.slowed, made.slowed_by) == ((True, False), ("throttled",))


def test_a_long_series_is_short_and_keeps_its_peak_and_its_low() -> None:
    blocks = [_block(float(place), temperature_c=50.0, mhz=2400.0) for place in range(1001)]
    blocks[333] = _block(333.0, temperature_c=85.0, mhz=600.0, throttled=True, slowed=("a", "b"))
    made = trace_of(blocks)
    assert made is not None
    assert len(made.at_s) == len(made.slowed) <= MOST_MOMENTS
    assert max(value for value in made.temperature_c if value) == 85.0
    assert min(value for value in made.clock_mhz if value) == 600.0
    assert sum(made.slowed) == 1
    assert made.slowed_by == ("a", "b")


def test_blocks_of_an_older_version_tell_no_time() -> None:
    assert trace_of([_block(None)]) is None
    assert trace_of([]) is None

"""A block of timed rows begins when the caches hold the model's own data."""

from __future__ import annotations

import gc
from typing import Any

from runtimes.machine import MachineMonitor
from runtimes.timing import Timed, block


class Asked:
    """Answer rows, and remember them."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.collected: list[bool] = []

    def __call__(self, row: Any) -> Timed:
        self.rows.append(row)
        self.collected.append(gc.isenabled())
        return Timed(1.0, 0.5, 0.4, False)


def test_other_rows_are_answered_before_and_are_not_timed() -> None:
    asked = Asked()
    seen = block(asked, ["a", "b"], MachineMonitor(), others=["c", "d"], settle_ms=3.0)
    assert seen["latency_ms"] == [1.0, 1.0]
    before = asked.rows[:-2]
    assert len(before) > 2
    assert before == ["c", "d"] * (len(before) // 2) + ["c"] * (len(before) % 2)
    assert asked.rows[-2:] == ["a", "b"]
    assert not any(asked.collected)
    assert gc.isenabled()


def test_without_other_rows_a_block_begins_at_once() -> None:
    asked = Asked()
    block(asked, ["a", "b"], MachineMonitor(), settle_ms=3.0)
    assert asked.rows == ["a", "b"]

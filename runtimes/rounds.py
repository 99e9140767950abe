"""Draw the rows that each round of processes answers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import islice

from runtimes.samples import FEWEST_BLOCK_RUNS, Load, MeasurePlan

_LOAD_ROWS = 32
_LOAD_BATCHES = 4
"""A load runs at least this many rows, and at least this many batches."""
_REQUESTED_ROWS = 256
"""Requests that arrive ask for so many rows in turn."""


class Round:
    """Name the rows that one process of each variant answers.

    Each load takes its rows from the start of `loaded`; requests that arrive take all of them.
    """

    def __init__(
        self, process: int, blocks: list[list[int]], idle: list[int], loaded: list[int]
    ) -> None:
        self.process = process
        self.blocks = blocks
        self.idle = idle
        self.loaded = loaded
        self.used = list(dict.fromkeys(row for rows in (*blocks, idle, loaded) for row in rows))
        self._places = {row: place for place, row in enumerate(self.used)}

    def places(self, rows: list[int]) -> list[int]:
        """Return the places of the rows among the used ones."""
        return [self._places[row] for row in rows]


class RowDraw:
    """Draw rows by index, so that blocks go through all `rows` in a new order each time."""

    def __init__(self, rows: int, plan: MeasurePlan, generator: random.Random) -> None:
        self._rows = range(rows)
        self._plan = plan
        self._random = generator
        self._shuffled = self._in_turn()

    def round(self, process: int, slowest_ms: float) -> Round:
        """Draw a round; its blocks are as long as the slowest variant's time for a row allows."""
        plan = self._plan
        runs = math.ceil(plan.block_ms / slowest_ms) if slowest_ms else plan.block_runs
        size = min(max(runs, FEWEST_BLOCK_RUNS), plan.block_runs)
        loaded = max((load_rows(load) for load in plan.loads), default=0)
        if plan.requests_per_s:
            loaded = max(loaded, _REQUESTED_ROWS)
        return Round(
            process,
            [list(islice(self._shuffled, size)) for _ in range(plan.blocks)],
            self._random.choices(self._rows, k=plan.idle_runs),
            self._random.sample(self._rows, min(loaded, len(self._rows))),
        )

    def _in_turn(self) -> Iterator[int]:
        while True:
            yield from self._random.sample(self._rows, len(self._rows))


def load_rows(load: Load) -> int:
    """Return how many rows a load runs."""
    return max(_LOAD_ROWS, _LOAD_BATCHES * load.batch)

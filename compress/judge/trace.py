"""Make the series of temperature and clock that a report draws."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from compress.judge.evaluation import Outcome
from compress.report.schema import Trace
from runtimes.samples import Block

MOST_MOMENTS = 200


def trace(outcome: Outcome) -> Trace | None:
    """Return what the device showed, block by block; None where it is emulated or told no time.

    An emulated device reads the machine that emulates it.
    """
    every = (row.samples for row in outcome.measured)
    blocks = [block for one in every for block in (*one.soak, *one.blocks)]
    return None if outcome.facts.emulated else trace_of(blocks)


def trace_of(blocks: Iterable[Block]) -> Trace | None:
    """Return the series in the order of time, at most MOST_MOMENTS long, from its first moment."""
    timed = sorted(
        (block.at_s, place, block) for place, block in enumerate(blocks) if block.at_s is not None
    )
    if not timed:
        return None
    start_s = timed[0][0]
    every = -(-len(timed) // MOST_MOMENTS)
    parts = [timed[first : first + every] for first in range(0, len(timed), every)]
    words = itertools.chain.from_iterable(block.slowed for _, _, block in timed)
    return Trace(
        at_s=tuple(round(part[-1][0] - start_s, 1) for part in parts),
        temperature_c=tuple(_most([block.temperature_c for _, _, block in part]) for part in parts),
        clock_mhz=tuple(_least([block.mhz for _, _, block in part]) for part in parts),
        slowed=tuple(any(block.throttled for _, _, block in part) for part in parts),
        slowed_by=tuple(dict.fromkeys(words)),
    )


def _most(values: Sequence[float | None]) -> float | None:
    known = [round(value, 1) for value in values if value is not None]
    return max(known, default=None)


def _least(values: Sequence[float | None]) -> float | None:
    known = [round(value, 1) for value in values if value is not None]
    return min(known, default=None)

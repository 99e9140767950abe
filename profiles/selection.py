"""Which samples count: blocks at the machine's full pace, and pairs that ran side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from profiles.statistics import Floats
from runtimes.measure import Block, Samples

STEADY = 1.10
"""A block is left out when a probe took longer than this many times the usual one."""

FULL_PACE = 0.1
"""The quantile of the session's probes that is the machine's full pace, even if it is throttled for
most of the session."""

Rounds = tuple[list[Floats], list[Floats]]
"""Latencies of two variants on the same rows, clean in both: one array a round for each."""


def at_full_pace(samples: Samples, reference: Samples | None = None) -> tuple[Block, ...]:
    """Return the blocks with no slow probe on either side and no throttled clock.

    They show what the model takes on the machine as it should be: evidence enough for a FAIL. A
    PASS also needs the blocks that are left out here, since a user waits through those too.
    """
    pace_ms = _full_pace_ms(samples.blocks + (reference.blocks if reference else ()))
    return tuple(
        block
        for block in samples.blocks
        if max(block.probe_ms) <= STEADY * pace_ms and not block.throttled
    )


def by_process(blocks: Sequence[Block]) -> list[Floats]:
    """Return each process's latencies, or each block's where there is one process."""
    processes = process_latencies(blocks)
    return processes if len(processes) > 1 else [np.array(block.latency_ms) for block in blocks]


def process_latencies(blocks: Sequence[Block]) -> list[Floats]:
    """Return each process's latencies."""
    processes: dict[int, list[float]] = {}
    for block in blocks:
        processes.setdefault(block.process, []).extend(block.latency_ms)
    return [np.array(values) for _, values in sorted(processes.items())]


def paired_rounds(mine: Sequence[Block], reference: Sequence[Block]) -> Rounds:
    """Pair two variants' latencies by row and round, where both are clean.

    No pair is left out for a slow probe. A slow machine slows both sides, since they alternate; and
    what a probe shows may be the work of a block itself: a model that slows the core down must not
    hide it.
    """
    whole = [pairs[:, ~dirty] for pairs, dirty in _rounds(mine, reference) if not dirty.all()]
    return [own for own, _ in whole], [other for _, other in whole]


def process_pairs(mine: Sequence[Block], reference: Sequence[Block]) -> list[Floats]:
    """Return each round's pairs, shape (2, runs): the clean ones, or all where none is clean.

    So no process is left out.
    """
    return [pairs if dirty.all() else pairs[:, ~dirty] for pairs, dirty in _rounds(mine, reference)]


def _rounds(
    mine: Sequence[Block], reference: Sequence[Block]
) -> list[tuple[Floats, NDArray[np.bool_]]]:
    """Return each round's latencies, shape (2, runs), and which runs are not clean in both."""
    theirs = {(block.process, block.place): block for block in reference}
    rounds: dict[int, list[tuple[Block, Block]]] = {}
    for block in mine:
        other = theirs.get((block.process, block.place))
        if other and block.latency_ms:
            rounds.setdefault(block.process, []).append((block, other))
    return [_side_by_side(pairs) for pairs in rounds.values()]


def _side_by_side(pairs: Sequence[tuple[Block, Block]]) -> tuple[Floats, NDArray[np.bool_]]:
    latencies = np.hstack([(mine.latency_ms, other.latency_ms) for mine, other in pairs])
    flags = np.hstack([(mine.contaminated, other.contaminated) for mine, other in pairs])
    return latencies, np.logical_or(flags[0], flags[1])


def _full_pace_ms(blocks: Sequence[Block]) -> float:
    return float(np.quantile([block.probe_ms for block in blocks], FULL_PACE)) if blocks else 0.0

"""Views of a session: the parts of each latency, and the latencies after idle gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from runtimes.samples import Block, Samples

PARTS = {"model_": "model_ms", "encode_": "encode_ms"}
"""How the metrics of a part begin, and the block's times for it."""


def views(
    samples: Samples, reference: Samples | None
) -> Iterator[tuple[str, Samples, Samples | None]]:
    """Yield how a view's metrics begin, with both sessions as if its times were the latencies.

    A view that a session has no times for is left out; a reference without them is None.
    """
    for prefix, part in PARTS.items():
        own = _part_of(samples, part)
        if own is not None:
            yield prefix, own, None if reference is None else _part_of(reference, part)
    own = _idle_of(samples)
    if own is not None:
        yield "idle_", own, None if reference is None else _idle_of(reference)


def _part_of(samples: Samples, part: str) -> Samples | None:
    if not samples.blocks or not all(getattr(block, part) for block in samples.blocks):
        return None
    blocks = (replace(block, latency_ms=getattr(block, part)) for block in samples.blocks)
    return replace(samples, blocks=tuple(blocks))


def _idle_of(samples: Samples) -> Samples | None:
    """Return the runs after idle gaps as one block a process, beside which nothing was probed."""
    if not samples.idle_runs:
        return None
    blocks = (
        Block(
            process=runs.process,
            order=place,
            latency_ms=runs.latency_ms,
            contaminated=(False,) * len(runs.latency_ms),
            probe_ms=(0.0, 0.0),
        )
        for place, runs in enumerate(samples.idle_runs)
    )
    return replace(samples, blocks=tuple(blocks))

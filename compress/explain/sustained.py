"""Why a model slows down in a long session: the machine, or the model itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from compress.explain.explanation import Column, Explanation, Table, percent
from compress.explain.question import Question, runtime_of, sample
from runtimes.measure import MeasurePlan, Variant, expected_runs
from runtimes.samples import Block

_SECONDS = 15.0
_TRIALS = 120
_BLOCK_RUNS = 40
_PARTS = 12
_FEWEST_BLOCKS = 24
_STEADY = 1.05
"""A smaller change of the probe or the clock is not reported."""


def explain(question: Question) -> Explanation:
    """Tell whether a session's end is slower than its beginning, and what slowed down.

    figures: sustained_p90_ratio (p90 of the last third over the first), clean_p90_ratio (the same
    of the samples that were not preempted; null without any), p50_ratio, probe_ratio (the same of a
    fixed piece of arithmetic without the model), contaminated_first and contaminated_last (shares
    of preempted samples), throttled (blocks in which the machine reported throttling), mhz_ratio
    (null where no clock is shown), seconds, blocks. tables: session.
    """
    texts = question.texts()
    start = time.perf_counter()
    blocks = _session(question, texts)
    seconds = time.perf_counter() - start
    third = len(blocks) // 3
    figures = {
        **_ratios(blocks[:third], blocks[-third:]),
        "blocks": len(blocks),
        "seconds": seconds,
    }
    figures["throttled"] = sum(block.throttled for block in blocks)
    return Explanation(
        answer=_answer(figures),
        figures=figures,
        tables=(_table(blocks),),
        notes=(
            f"one process, {len(blocks)} blocks of {_BLOCK_RUNS} rows in {seconds:.0f} s; heat"
            " takes minutes: `edgepress gate --tier soak` runs longer",
        ),
    )


def _session(question: Question, texts: list[str]) -> list[Block]:
    artifact = question.artifact
    variant = Variant("model", artifact, runtime_of(artifact), question.threads)
    plan = MeasurePlan(
        processes=1,
        blocks=_blocks(question, variant, texts),
        block_runs=_BLOCK_RUNS,
        cold_starts=0,
        warmup_limit_s=2.0,
    )
    with question.progress.task("session", expected_runs(1, plan)) as advance:
        samples = question.device.measure([variant], texts, plan, advance=advance)["model"]
    samples.raise_fault()
    return sorted(samples.blocks, key=lambda block: block.order)


def _blocks(question: Question, variant: Variant, texts: list[str]) -> int:
    """Return how many blocks fill the session, by the present time of a few rows."""
    rows = sample(texts, _TRIALS)
    few = MeasurePlan(
        processes=1,
        blocks=1,
        block_runs=len(rows),
        warmup_runs=1,
        warmup_s=0.0,
        warmup_limit_s=0.0,
        cold_starts=0,
    )
    samples = question.device.measure([variant], rows, few)["model"]
    samples.raise_fault()
    mean_ms = float(np.mean(samples.blocks[0].latency_ms))
    return max(int(_SECONDS * 1e3 / (mean_ms * _BLOCK_RUNS)), _FEWEST_BLOCKS)


def _ratios(first: Sequence[Block], last: Sequence[Block]) -> dict[str, float | None]:
    clocks = [_clock(first), _clock(last)]
    return {
        "sustained_p90_ratio": _quantile(last, 0.9) / _quantile(first, 0.9),
        "clean_p90_ratio": _clean_p90_ratio(first, last),
        "p50_ratio": _quantile(last, 0.5) / _quantile(first, 0.5),
        "probe_ratio": _probe(last) / _probe(first),
        "contaminated_first": _contaminated(first),
        "contaminated_last": _contaminated(last),
        "mhz_ratio": clocks[1] / clocks[0] if clocks[0] and clocks[1] else None,
    }


def _answer(figures: dict[str, float | None]) -> str:
    ratio, probe = figures["sustained_p90_ratio"] or 1.0, figures["probe_ratio"] or 1.0
    mhz, throttled = figures["mhz_ratio"], figures["throttled"]
    said = f"the last third's p90 is {ratio:.2f} times the first's"
    if ratio < _STEADY:
        return f"{said}: nothing slowed by more than {100 * (_STEADY - 1):.0f} %"
    if throttled:
        return f"{said}: the machine throttled in {throttled:.0f} blocks"
    if mhz is not None and mhz < 1 / _STEADY:
        return f"{said}: the machine's clock fell to {100 * mhz:.0f} % of what it was"
    if probe >= _STEADY:
        return f"{said}: the machine slowed, its probe takes {probe:.2f} times as long"
    clean, late = figures["clean_p90_ratio"], figures["contaminated_last"] or 0.0
    if clean is None or clean < _STEADY:
        alone = "" if clean is None else f"; the samples without other work: {clean:.2f}"
        return f"{said}: other work took the core in {percent(late)} of the samples{alone}"
    return f"{said} while the machine's probe stayed the same: the model or its runtime slowed down"


def _clean_p90_ratio(first: Sequence[Block], last: Sequence[Block]) -> float | None:
    early, late = _clean(first), _clean(last)
    return float(np.quantile(late, 0.9) / np.quantile(early, 0.9)) if early and late else None


def _clean(blocks: Sequence[Block]) -> list[float]:
    return [
        value
        for block in blocks
        for value, flag in zip(block.latency_ms, block.contaminated, strict=True)
        if not flag
    ]


def _table(blocks: Sequence[Block]) -> Table:
    parts = [part for part in np.array_split(np.arange(len(blocks)), _PARTS) if len(part)]
    rows = []
    for part in parts:
        chosen = [blocks[i] for i in part]
        rows.append(
            (
                *(f"{part[0] + 1}-{part[-1] + 1}", _quantile(chosen, 0.5), _quantile(chosen, 0.9)),
                *(_probe(chosen), _contaminated(chosen)),
                *(sum(block.throttled for block in chosen), _clock(chosen)),
            )
        )
    columns = (
        *(Column("blocks", "blocks"), Column("p50_ms", "p50 ms", ".3f")),
        *(Column("p90_ms", "p90 ms", ".3f"), Column("probe_ms", "probe ms", ".3f")),
        *(Column("contaminated", "contaminated", "%"), Column("throttled", "throttled", "d")),
        Column("mhz", "MHz", ".0f"),
    )
    return Table("session", "the session in order", columns, tuple(rows))


def _quantile(blocks: Sequence[Block], q: float) -> float:
    return float(np.quantile([value for block in blocks for value in block.latency_ms], q))


def _probe(blocks: Sequence[Block]) -> float:
    return float(np.median([block.probe_ms for block in blocks]))


def _contaminated(blocks: Sequence[Block]) -> float:
    return float(np.mean([flag for block in blocks for flag in block.contaminated]))


def _clock(blocks: Sequence[Block]) -> float | None:
    seen = [block.mhz for block in blocks if block.mhz is not None]
    return float(np.median(seen)) if seen else None

"""Figures of what a machine counts: energy an answer, and instructions over the reference's."""

from __future__ import annotations

from collections.abc import Callable

from profiles.statistics import Sum, mean_interval
from runtimes.samples import Block, Samples

WHY_ABSENT = {
    "energy_per_answer_mj": (
        "this machine shows neither its processors' energy (RAPL; often to root alone)"
        " nor a battery's power"
    ),
    "instructions_ratio": (
        "the kernel or the processor does not count instructions for a process here,"
        " or several threads answer"
    ),
}


def counters(samples: Samples, reference: Samples | None) -> dict[str, Sum]:
    """Bound the counted figures, where the machine shows them: a value a process."""
    figures: dict[str, Sum] = {}
    energy = _energies_mj(samples)
    if energy:
        values = list(energy.values())
        figures["energy_per_answer_mj"] = lambda confidence: mean_interval(values, confidence)
    if reference is not None and samples.threads == reference.threads == 1:
        mine, theirs = _instructions(samples), _instructions(reference)
        ratios = [mine[process] / theirs[process] for process in mine.keys() & theirs.keys()]
        if ratios:
            figures["instructions_ratio"] = lambda confidence: mean_interval(ratios, confidence)
    return figures


def _energies_mj(samples: Samples) -> dict[int, float]:
    """Return each process's energy an answer; none where a block lacks it or nothing was used."""
    return _per_answer(samples, lambda block: block.energy_mj)


def _instructions(samples: Samples) -> dict[int, float]:
    return _per_answer(samples, lambda block: block.instructions)


def _per_answer(samples: Samples, count: Callable[[Block], float | None]) -> dict[int, float]:
    totals: dict[int, float] = {}
    answers: dict[int, int] = {}
    for block in samples.blocks:
        counted = count(block)
        if counted is None:
            return {}
        totals[block.process] = totals.get(block.process, 0.0) + counted
        answers[block.process] = answers.get(block.process, 0) + len(block.latency_ms)
    return {process: total / answers[process] for process, total in totals.items() if total > 0}

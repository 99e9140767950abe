"""Counted figures: energy an answer, and instructions over the reference's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profiles.measurement import summarize
from runtimes.samples import Block, Samples


def _samples(energy_mj: float | None, instructions: int | None, threads: int = 1) -> Samples:
    blocks = tuple(
        Block(
            process=process,
            order=2 * process + place,
            latency_ms=(1.0,) * 10,
            contaminated=(False,) * 10,
            probe_ms=(1.0, 1.0),
            place=place,
            energy_mj=energy_mj,
            instructions=instructions,
        )
        for process in range(6)
        for place in range(2)
    )
    return Samples("m", "onnxruntime", "1", threads, blocks, (), (), (), (), 1.0)


def test_counts_are_an_answer_and_over_the_reference() -> None:
    figures = summarize(_samples(50.0, 1_200), _samples(90.0, 1_000))
    energy, ratio = figures.at("energy_per_answer_mj", 0.95), figures.at("instructions_ratio", 0.95)
    assert energy is not None
    assert ratio is not None
    assert (energy.value, ratio.value) == pytest.approx((5.0, 1.2))


@pytest.mark.parametrize("metric", ["energy_per_answer_mj", "instructions_ratio"])
def test_what_is_not_counted_is_absent_and_says_why(metric: str) -> None:
    figures = summarize(_samples(None, None), _samples(None, None))
    assert figures.at(metric, 0.95) is None
    assert figures.absent[metric]


def test_pool_threads_are_not_counted_so_neither_is_the_ratio() -> None:
    both = _samples(50.0, 1_200, threads=4)
    assert summarize(both, both).at("instructions_ratio", 0.95) is None


def test_one_block_without_a_count_leaves_the_figure_out() -> None:
    samples = _samples(50.0, 1_200)
    holed = (replace(samples.blocks[0], energy_mj=None), *samples.blocks[1:])
    assert summarize(replace(samples, blocks=holed)).at("energy_per_answer_mj", 0.95) is None

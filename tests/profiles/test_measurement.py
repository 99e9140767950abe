"""Figures from samples and predictions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from profiles.measurement import (
    Figures,
    Measurement,
    Provenance,
    conditions,
    summarize,
)
from runtimes.measure import Block, ColdStart, IdleRuns, Samples

RUNS = 40


def samples(
    ms: float = 2.0,
    *,
    processes: int = 3,
    places: int = 6,
    dirty: float = 0.1,
    dirty_ms: float = 0.0,
    probe_ms: float = 1.0,
    cold_starts: int = 8,
    size_mb: float = 9.0,
    seed: int = 0,
) -> Samples:
    """Make samples of a known latency; contaminated ones take `dirty_ms` longer."""
    rng = np.random.default_rng(seed)
    blocks = []
    for order in range(processes * places):
        bad = rng.random(RUNS) < dirty
        latency = ms * rng.lognormal(0, 0.05, RUNS) + dirty_ms * bad
        blocks.append(
            Block(
                process=order // places,
                order=2 * order,
                latency_ms=tuple(latency.tolist()),
                contaminated=tuple(bad.tolist()),
                probe_ms=(probe_ms, probe_ms),
                place=order % places,
                rows=tuple(range(RUNS)),
            )
        )
    starts = tuple(ColdStart(1, 1, 1, 1, 1, 300.0 + i) for i in range(cold_starts))
    once = tuple(float(20 + i) for i in range(processes))
    return Samples(
        variant="model",
        runtime="onnxruntime",
        runtime_version="1.31",
        threads=1,
        blocks=tuple(blocks),
        cold_starts=starts,
        session_ms=once,
        first_inference_ms=once,
        rss_peak_mb=once,
        size_mb=size_mb,
    )


def _by_metric(figures: Figures) -> dict[str, Measurement]:
    return figures.all(0.95)


def _slowed(whole: Samples, place: int, factor: float, probe_ms: float) -> Samples:
    """Slow one place of every process down, and the probes beside it."""
    blocks = tuple(
        replace(
            block,
            latency_ms=tuple(factor * value for value in block.latency_ms),
            probe_ms=(1.0, probe_ms),
        )
        if block.place == place
        else block
        for block in whole.blocks
    )
    return replace(whole, blocks=blocks)


def test_every_figure_is_there_with_its_source() -> None:
    source = Provenance("machine", "onnxruntime", "1.31", "digest")
    figures = _by_metric(summarize(samples(), samples(9.0, seed=1, size_mb=90), source=source))
    assert set(figures) == {
        *("latency_p50_ms", "latency_p90_ms", "cold_start_p50_ms", "cold_start_p90_ms"),
        *("rss_peak_mb", "session_ms", "first_inference_ms", "artifact_mb"),
        *("speedup", "compression"),
        *("latency_p95_ms", "latency_p99_ms", "latency_p50_ratio", "latency_p90_ratio"),
        *("cold_start_p50_ratio", "rss_peak_ratio", "artifact_ratio"),
    }
    assert {measurement.source for measurement in figures.values()} == {source}
    assert figures["speedup"].value == pytest.approx(4.5, rel=0.02)
    assert figures["compression"].value == 10
    assert figures["compression"].exact
    json.dumps([measurement.to_json() for measurement in figures.values()])


def test_without_a_reference_there_are_no_ratios() -> None:
    assert not {"speedup", "compression"} & set(_by_metric(summarize(samples())))


def test_latency_bounds_hold_the_truth() -> None:
    p50 = _by_metric(summarize(samples(dirty_ms=0)))["latency_p50_ms"]
    assert p50.lower is not None
    assert p50.upper is not None
    assert p50.lower < 2.0 < p50.upper
    assert p50.samples == 720
    assert (p50.unit, p50.confidence) == ("ms", 0.95)


def test_preempted_samples_count_in_the_tail_and_not_in_the_ratio() -> None:
    calm = summarize(samples(), samples(4.0, seed=1))
    busy = summarize(samples(dirty=0.3, dirty_ms=50.0), samples(4.0, seed=1))
    p90 = _by_metric(busy)["latency_p90_ms"].value
    assert p90 is not None
    assert p90 > 50
    ratios = [_by_metric(figures)["speedup"].value for figures in (calm, busy)]
    assert ratios[0] == pytest.approx(2.0, rel=0.02)
    assert ratios[1] == pytest.approx(2.0, rel=0.02)


def test_blocks_beside_a_slow_probe_count_above_and_not_below() -> None:
    throttled = _slowed(samples(), place=2, factor=3.0, probe_ms=1.5)
    figures = summarize(throttled, samples(4.0, seed=1))
    p90 = _by_metric(figures)["latency_p90_ms"]
    cool = figures.at_full_pace["latency_p90_ms"](0.95)
    assert (p90.samples, cool.samples) == (720, 600)
    assert cool.value == pytest.approx(2.13, rel=0.03)
    assert p90.lower == cool.lower
    assert p90.upper is not None
    assert p90.upper > 5
    assert "steady blocks 15 of 18" in conditions(throttled)


def test_a_slow_block_beside_a_steady_probe_counts_on_both_sides() -> None:
    slow = _slowed(samples(), place=2, factor=3.0, probe_ms=1.0)
    p90 = _by_metric(summarize(slow))["latency_p90_ms"]
    assert p90.lower is not None
    assert p90.lower > 5


def test_a_machine_that_is_never_at_full_pace_breaks_no_latency() -> None:
    whole = samples()
    throttled = replace(
        whole, blocks=tuple(replace(block, throttled=True) for block in whole.blocks)
    )
    p50 = _by_metric(summarize(throttled))["latency_p50_ms"]
    assert p50.lower is None
    assert p50.upper is not None


def test_heating_up_shows_in_the_sustained_ratio() -> None:
    """One long process; without it there is no such figure."""
    whole = samples(dirty=0.0, processes=1, places=90)
    hot = replace(
        whole,
        soak=tuple(
            replace(block, latency_ms=tuple(1.5 * x for x in block.latency_ms))
            if block.order >= 120
            else block
            for block in whole.blocks
        ),
    )
    figure = _by_metric(summarize(hot))["sustained_p90_ratio"]
    assert figure.lower is not None
    assert figure.upper is not None
    assert 1.4 < figure.lower < 1.5 < figure.upper
    assert "sustained_p90_ratio" not in _by_metric(summarize(whole))


@pytest.mark.parametrize(
    ("starts", "p50", "p90"), [(5, False, False), (8, True, False), (46, True, True)]
)
def test_a_cold_start_percentile_that_is_not_supported_is_refused(
    starts: int, p50: bool, p90: bool
) -> None:
    figures = _by_metric(summarize(samples(cold_starts=starts)))
    for metric, supported in (("cold_start_p50_ms", p50), ("cold_start_p90_ms", p90)):
        assert (figures[metric].value is not None) is supported
        assert (figures[metric].upper is not None) is supported
        assert bool(figures[metric].why) is not supported
    if not p90:
        assert figures["cold_start_p90_ms"].why == f"needs 46 cold starts (have {starts})"


def test_what_a_process_shows_once_needs_eight_of_them() -> None:
    few = _by_metric(summarize(samples()))
    assert (few["session_ms"].value, few["session_ms"].why) == (None, "needs 8 processes (have 3)")
    peak = few["rss_peak_mb"]
    assert (peak.lower, peak.value, peak.upper) == (22, 22, None)
    assert peak.why == "needs 29 processes (have 3)"
    session = _by_metric(summarize(samples(processes=8)))["session_ms"]
    assert (session.lower, session.value, session.upper) == (21, 23, 26)


def test_nothing_measured_is_refused_figures_and_no_crash() -> None:
    empty = samples(processes=0, cold_starts=0)
    figures = _by_metric(summarize(empty, samples()))
    assert figures["latency_p90_ms"].value is None
    assert figures["latency_p90_ms"].why == "needs 46 samples (have 0)"
    assert figures["speedup"].value is None
    assert "rss_peak_mb" not in figures


def test_a_model_against_itself_is_exactly_as_fast() -> None:
    figures = _by_metric(summarize(samples(), samples()))["speedup"]
    assert (figures.value, figures.lower, figures.upper) == (1, 1, 1)


def test_parts_and_idle_gaps_have_figures_of_their_own() -> None:
    both = []
    for factor in (1.0, 3.0):
        samples = _with_parts(factor)
        both.append(samples)
    figures = summarize(*both)
    for metric, value in (
        ("model_latency_p50_ms", 0.5),
        ("encode_latency_p50_ms", 0.25),
        ("idle_latency_p50_ms", 4.0),
        ("model_speedup", 3.0),
        ("encode_speedup", 1.0),
        ("idle_speedup", 3.0),
    ):
        figure = figures.at(metric, 0.95)
        assert figure is not None, metric
        assert figure.value == pytest.approx(value), metric


def _with_parts(factor: float) -> Samples:
    """Return a model whose own part and whose latency after a gap grow with `factor`."""
    blocks = tuple(
        Block(
            process=process,
            order=process,
            latency_ms=(0.3 + 0.5 * factor,) * 10,
            contaminated=(False,) * 10,
            probe_ms=(1.0, 1.0),
            encode_ms=(0.25,) * 10,
            model_ms=(0.5 * factor,) * 10,
        )
        for process in range(6)
    )
    idle = tuple(IdleRuns(process, (4.0 * factor,) * 5) for process in range(6))
    return Samples(
        "m", "onnxruntime", "1", 1, blocks, (), (), (), (), size_mb=1.0, idle_runs=idle
    )  # fmt: skip


def test_sessions_without_parts_have_none() -> None:
    samples = _with_parts(1.0)
    bare = [replace(b, encode_ms=(), model_ms=()) for b in samples.blocks]
    figures = summarize(replace(samples, blocks=tuple(bare), idle_runs=()))
    assert figures.at("latency_p50_ms", 0.95) is not None
    for metric in ("model_latency_p50_ms", "encode_latency_p50_ms", "idle_latency_p50_ms"):
        assert figures.at(metric, 0.95) is None

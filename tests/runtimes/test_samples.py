"""Two sessions of one variant become one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.measure import MeasurePlan, Variant
from runtimes.samples import Block, ColdStart, Effort, Samples, ServerRuns, Throughput, joined
from tests.runtimes.launching import measure
from tests.runtimes.tiny import TEXTS, tiny_onnx

START = ColdStart(1.0, 2.0, 3.0, 4.0, 5.0, 15.0)


def session(processes: range, blocks: int, first_order: int = 0) -> Samples:
    """Make up a session; every figure of it tells its process."""
    numbered = [(process, place) for process in processes for place in range(blocks)]
    return Samples(
        variant="model",
        runtime="onnxruntime",
        runtime_version="1",
        threads=1,
        blocks=tuple(
            Block(process, first_order + 2 * index, (1.0,), (False,), (1.0, 1.0), place, (0,))
            for index, (process, place) in enumerate(numbered)
        ),
        cold_starts=(START,) * len(processes),
        session_ms=tuple(float(process) for process in processes),
        first_inference_ms=tuple(float(process) for process in processes),
        rss_peak_mb=tuple(float(process) for process in processes),
        size_mb=1.0,
        stable=(True,) * len(processes),
        throughputs=tuple(Throughput(process, 1, 1, 9.0) for process in processes),
        server_runs=tuple(ServerRuns(process, 50, 1.5, (9.0,), (1.0,)) for process in processes),
        effort=Effort(inference_s=float(len(processes)), starting_s=0.5),
    )


@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 4), st.integers(0, 50))
def test_processes_and_orders_stay_unique_and_increasing(
    before: int, after: int, blocks: int, first_order: int
) -> None:
    first = session(range(before), blocks)
    more = session(range(before, before + after), blocks, first_order)
    whole = joined(first, more)
    assert [block.process for block in whole.blocks] == sorted(
        block.process for block in (*first.blocks, *more.blocks)
    )
    orders = [block.order for block in whole.blocks]
    assert orders == sorted(set(orders))
    assert whole.session_ms == tuple(float(process) for process in range(before + after))
    assert len(whole.cold_starts) == len(whole.throughputs) == len(whole.stable) == before + after
    assert [runs.process for runs in whole.server_runs] == [*range(before + after)]
    assert whole.effort == Effort(before + after, 1.0)


def test_a_fault_of_either_stays() -> None:
    first, more = session(range(1), 2), session(range(1, 2), 2)
    assert joined(first, more).fault == ""
    assert joined(first, dataclasses.replace(more, fault="late")).fault == "late"
    assert joined(dataclasses.replace(first, fault="early"), more).fault == "early"


def test_other_variants_and_the_same_process_do_not_join() -> None:
    first = session(range(2), 2)
    with pytest.raises(ValueError, match="process 1"):
        joined(first, session(range(1, 3), 2))
    with pytest.raises(ValueError, match="do not join"):
        joined(first, dataclasses.replace(session(range(2, 3), 2), variant="other"))


def test_an_extension_is_measured_in_another_order(tmp_path: Path) -> None:
    plan = MeasurePlan(
        processes=2, blocks=2, block_runs=6, warmup_runs=2, warmup_s=0.0, warmup_limit_s=0.1,
        cold_starts=0,
    )  # fmt: skip
    variants = [Variant(name, tiny_onnx(tmp_path / name), "onnxruntime") for name in ("a", "b")]
    first = measure(variants, TEXTS, plan)
    more = measure(variants, TEXTS, dataclasses.replace(plan, processes=1, first_process=2))
    again = measure(variants, TEXTS, dataclasses.replace(plan, processes=1))
    for name in ("a", "b"):
        whole = joined(first[name], more[name])
        assert [block.process for block in whole.blocks] == [0, 0, 1, 1, 2, 2]
        assert [row.rows for row in again[name].blocks] == [
            block.rows for block in first[name].blocks[:2]
        ]
        assert [row.rows for row in more[name].blocks] != [row.rows for row in again[name].blocks]
    both = [block.order for name in ("a", "b") for block in joined(first[name], more[name]).blocks]
    assert sorted(both) == list(range(12))

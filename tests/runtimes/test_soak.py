"""One long process, and the order of extra cold starts."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from runtimes.measure import MeasurePlan, Variant, expected_runs
from runtimes.stored import stored_samples
from tests.runtimes.launching import measure
from tests.runtimes.tiny import TEXTS, tiny_onnx

pytestmark = pytest.mark.alone
"""Timings of real processes: other work on the machine's cores changes them."""


def test_a_long_process_is_timed_from_its_start_to_its_end(tmp_path: Path) -> None:
    plan = MeasurePlan(processes=0, cold_starts=0, soak_s=3.0, warmup_runs=5, timeout_s=60)
    advances: list[int] = []
    stream = tmp_path / "samples.jsonl"
    variant = Variant("model", tiny_onnx(tmp_path / "m"), "onnxruntime")
    samples = measure(
        [variant],
        TEXTS,
        plan,
        advance=lambda units, _note: advances.append(units),
        stream=stream,
    )["model"]
    assert not samples.fault
    assert (samples.blocks, samples.cold_starts) == ((), ())
    assert len(samples.soak) >= 5
    assert all(one.order < next_.order for one, next_ in pairwise(samples.soak))
    assert sum(advances) == expected_runs(1, plan)
    lines = [json.loads(line) for line in stream.read_text().splitlines()]
    stored = stored_samples(
        lines, "model", runtime="onnxruntime", threads=1, size_mb=samples.size_mb
    )
    assert stored.soak == samples.soak


def test_extra_cold_starts_have_no_fixed_order(tmp_path: Path) -> None:
    """A fixed order would charge what the first start does to the machine to the second."""
    plan = MeasurePlan(processes=0, cold_starts=8, timeout_s=60)
    artifact, stream = tiny_onnx(tmp_path / "m"), tmp_path / "samples.jsonl"
    variants = [Variant(name, artifact, "onnxruntime") for name in ("one", "other")]
    measure(variants, TEXTS, plan, stream=stream)
    names = [json.loads(line)["variant"] for line in stream.read_text().splitlines()]
    turns = [tuple(names[place : place + 2]) for place in range(0, len(names), 2)]
    assert len(turns) == 8
    assert set(turns) == {("one", "other"), ("other", "one")}

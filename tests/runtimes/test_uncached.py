"""Starts whose files are read from storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.measure import MeasurePlan, Samples, Variant, expected_runs
from runtimes.page_cache import forget
from runtimes.record import why_cached
from runtimes.samples import ColdStart
from tests.runtimes.launching import measure
from tests.runtimes.tiny import TEXTS, tiny_onnx

PLAN = MeasurePlan(processes=0, cold_starts=2, uncached_starts=2)


def _measured(folder: Path) -> tuple[Samples, int]:
    artifact = tiny_onnx(folder, layers=8, hidden=512)
    units: list[int] = []
    samples = measure(
        [Variant("model", artifact, "onnxruntime")],
        TEXTS,
        PLAN,
        advance=lambda done, _note: units.append(done),
    )
    return samples["model"], sum(units)


def test_an_uncached_start_reads_its_files_from_storage(tmp_path: Path) -> None:
    samples, units = _measured(tmp_path)
    assert units == expected_runs(1, PLAN) == 4
    if samples.uncached_why:
        pytest.skip(samples.uncached_why)
    assert len(samples.uncached_starts) == len(samples.cold_starts) == 2
    for start in samples.uncached_starts:
        assert start.read_mb is not None
        assert start.read_mb > samples.size_mb
    cached = samples.cold_starts[-1].read_mb
    assert cached is not None
    assert cached < samples.size_mb / 2


def test_a_cache_that_stays_is_said(tmp_path: Path) -> None:
    in_memory = Path("/dev/shm")
    if not in_memory.is_dir():
        pytest.skip("no file system in memory here")
    folder = in_memory / f"edgepress-{tmp_path.name}"
    try:
        samples, units = _measured(folder)
    finally:
        for file in folder.glob("*"):
            file.unlink()
        folder.rmdir()
    assert samples.uncached_starts == ()
    assert "lies in memory (tmpfs)" in samples.uncached_why
    assert len(samples.cold_starts) == 2
    assert units == expected_runs(1, PLAN)
    assert samples.fault == ""


@pytest.mark.parametrize(
    ("read_mb", "why"),
    [
        (None, "does not show what a process reads"),
        (0.2, "0.2 MB were read from storage for a model of 6.0 MB"),
        (2.9, "was not dropped"),
        (3.1, ""),
        (35.8, ""),
    ],
)
def test_a_start_that_read_almost_nothing_was_not_uncached(read_mb: float | None, why: str) -> None:
    said = why_cached(ColdStart(1, 1, 1, 1, 1, 5, read_mb), 6.0)
    assert why in said
    assert bool(said) is bool(why)


def test_forgets_what_it_cannot_find(tmp_path: Path) -> None:
    forget(tmp_path / "nowhere", "onnxruntime")

"""A model against itself: the figures from its rounds, and one real session."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from compress.judge.noise import (
    ALLOWANCE,
    NoiseReport,
    Resolution,
    Round,
    Workload,
    measure_noise,
    noise_lines,
    resolution,
    workload,
)
from compress.judge.noise_model import noise_model, noise_texts
from compress.progress import Silence
from profiles.noise import FEWEST_ROUNDS
from runtimes.artifact import Artifact, write_like
from runtimes.errors import DataError, QualityError, UnsupportedError
from runtimes.listed import MANIFEST
from runtimes.measure import MeasurePlan
from runtimes.predict import open_predictor

pytestmark = pytest.mark.alone
"""Timings of real processes: other work on the machine's cores changes them."""

BRIEF = MeasurePlan(blocks=2, block_runs=15, warmup_s=0.05, warmup_limit_s=0.1)


def _rounds(spread: float, count: int) -> list[Round]:
    """Make rounds of lognormal latencies whose medians differ between processes by `spread`."""
    generator = np.random.default_rng(5)
    pace = np.exp(generator.normal(0, spread, (count, 2)))
    latencies = np.exp(generator.normal(0, 0.02, (count, 2, 160))) * pace[:, :, None]
    return [(one.tolist(), other.tolist()) for one, other in latencies]


def test_a_noisier_machine_resolves_less() -> None:
    calm, noisy = (resolution("latency_p50_ratio", _rounds(spread, 20)) for spread in (0.005, 0.05))
    assert calm.resolves < 0.02 < noisy.resolves
    assert noisy.catches_from(1.05) > 0.05 + noisy.gate_resolves


def test_the_spread_of_the_rounds_is_what_it_is_made_of() -> None:
    """Two processes that differ by 3 % each make ratios that differ by √2 times as much."""
    row = resolution("latency_p50_ratio", _rounds(0.03, 400))
    expected = (1.645 + 0.842) * 0.03 * math.sqrt(2) / 20
    assert expected < math.log1p(row.resolves) < 1.15 * expected
    assert row.gate_resolves > row.resolves  # 16 rounds, and its risk is spread over looks


def test_a_round_without_a_clean_sample_is_left_out() -> None:
    rounds = _rounds(0.01, 5)
    assert resolution("latency_p90_ratio", [*rounds, ([], [])]) == resolution(
        "latency_p90_ratio", rounds
    )
    with pytest.raises(QualityError, match="only 2 rounds have samples"):
        resolution("latency_p90_ratio", [*rounds[:2], ([], []), ([], [])])


@pytest.fixture(scope="module")
def builtin(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    folder = tmp_path_factory.mktemp("noise")
    return Workload("the built-in model", noise_model(folder), tuple(noise_texts(7)))


def test_the_builtin_model_runs_on_texts_of_all_lengths(builtin: Workload) -> None:
    predictor = open_predictor(builtin.artifact.path)
    tokens = {predictor.feeds(text)["input_ids"].shape[1] for text in builtin.texts}
    assert min(tokens) < 16 < 32 < max(tokens)
    assert np.isfinite(predictor.answer(builtin.texts[0])).all()
    assert noise_texts(7) == list(builtin.texts) != noise_texts(8)


@pytest.fixture(scope="module")
def report(builtin: Workload) -> NoiseReport:
    return measure_noise(builtin, seconds=0.1, seed=7, progress=Silence(), plan=BRIEF)


def test_a_real_session_says_what_it_resolves(report: NoiseReport) -> None:
    assert report.rounds == FEWEST_ROUNDS  # the time was too short for more
    assert report.latency_p50_ms > 0
    assert 0 < report.clean <= 1
    assert [row.metric for row in report.resolutions] == ["latency_p50_ratio", "latency_p90_ratio"]
    for row in report.resolutions:
        assert row.seen.lower is not None
        assert row.seen.upper is not None
        assert row.seen.lower < row.seen.upper
        assert row.resolves > 0
    content = json.loads(json.dumps(report.to_json()))
    assert content["metrics"]["latency_p90_ratio"]["budget"]["max"] == ALLOWANCE
    assert content["noise"]["cores"] >= 1


def test_the_words_carry_the_figures(report: NoiseReport) -> None:
    lines = noise_lines(report)
    words = " ".join(lines)
    first: Resolution = report.resolutions[0]
    assert f"resolves a regression of {100 * first.resolves:.1f} % in latency_p50_ratio" in words
    caught = f"detects true slowdowns from {100 * first.catches_from(ALLOWANCE):.1f} % on"
    assert caught in words
    assert all(reason in words for reason in report.noise.reasons)
    assert max(map(len, lines[:9])) <= 100


def test_another_model_and_its_rows_are_opened(builtin: Workload, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("query\nw1 w2\n\nw3\n", encoding="utf-8")
    work = workload(builtin.artifact.path, str(rows), "query", 2)
    assert (work.texts, work.threads, work.name) == (
        ("w1 w2", "w3"),
        2,
        builtin.artifact.path.name,
    )
    with pytest.raises(DataError, match="no column 'text'"):
        workload(builtin.artifact.path, str(rows), "text", 1)
    foreign = _as_torch(builtin.artifact, tmp_path / "torch")
    with pytest.raises(UnsupportedError, match="edgepress export"):
        workload(foreign, str(rows), "query", 1)


def _as_torch(artifact: Artifact, folder: Path) -> Path:
    """Copy an artifact under a manifest that says it is a torch model."""
    shutil.copytree(artifact.path, folder)
    (folder / "model.onnx").rename(folder / "model.safetensors")
    (folder / MANIFEST).unlink()
    return write_like(artifact, folder, format="huggingface").path

"""The estimate of a latency: counted work, a range, and no evidence for a gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.explain.estimate import LatencyEstimate, counted, estimate, estimate_of
from profiles.device import Peaks, load_profile
from profiles.measurement import Figures, Measurement
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError
from tests.runtimes.tiny import tiny_onnx

PEAKS = Peaks(fp32_gflops=10, int8_gops=40, memory_gb_s=5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return tiny_onnx(tmp_path_factory.mktemp("estimate") / "m", layers=2, hidden=64)


def test_the_work_of_each_product_is_counted(model: Artifact) -> None:
    products, nodes = counted(model.model_file, 10)
    assert nodes > len(products)
    layers = [work for work in products if work.macs == 10 * 64 * 64]
    assert len(layers) == 2
    assert {work.compute for work in products} == {"fp32"}
    assert layers[0].moved == 64 * 64 * 4 + 4 * 10 * (64 + 64)


def test_more_work_takes_longer_and_more_threads_less(model: Artifact) -> None:
    short, long = (counted(model.model_file, length) for length in (8, 512))
    few = estimate_of(*short, PEAKS, 1, 8, "p")
    many, shared = (estimate_of(*long, PEAKS, threads, 512, "p") for threads in (1, 4))
    assert few.low_ms < many.low_ms
    assert shared.low_ms < many.low_ms
    found = estimate(model, load_profile("rpi5"), 32)
    assert 0 < found.low_ms < found.high_ms


def test_it_is_no_measurement_and_no_figure_can_hold_it(model: Artifact) -> None:
    found = estimate(model, load_profile("rpi5"), 32)
    assert not isinstance(found, Measurement)
    assert found.kind == found.to_json()["kind"] == "estimate"
    figures = Figures({"latency_p90_ms": found})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        figures.at("latency_p90_ms", 0.95)
    assert {"value", "upper", "lower"}.isdisjoint(LatencyEstimate.__slots__)


def test_the_command_prints_a_range_with_its_error(
    model: Artifact, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = ["budget", "estimate", str(model.path), "--profile", "rpi5"]
    assert run(line) == 0
    shown = capsys.readouterr().out
    assert "estimate on rpi5" in shown
    assert "no gate takes it" in shown
    assert "1.74x at worst" in shown
    assert run([*line, "--json"]) == 0
    written = tmp_path / "estimate.json"
    written.write_text(capsys.readouterr().out)
    assert json.loads(written.read_text())["kind"] == "estimate"
    assert run(["judge", str(written), "--profile", "rpi5"]) == 2


def test_a_profile_without_peaks_says_what_is_missing(model: Artifact) -> None:
    with pytest.raises(UnsupportedError, match="has no peaks"):
        estimate(model, load_profile("local"), 32)

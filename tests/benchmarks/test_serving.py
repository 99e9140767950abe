"""The load finds a real server's capacity, and what it answers wrong, late or not at all."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.http_load import Row, poisson_load
from benchmarks.serving import main, table
from compress.run.bundle import bundle as write_bundle
from tests.absent import needs
from tests.compress.serving.running import running, shown
from tests.runtimes.tiny import TEXTS, tiny_onnx


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    needs("starlette")
    tiny_onnx(tmp_path / "onnx")
    write_bundle(tmp_path / "onnx", tmp_path / "bundle")
    return tmp_path / "bundle"


def _row(text: str, label: str, score: float) -> Row:
    return Row(json.dumps({"texts": [text]}).encode(), label, score)


def test_capacity_and_latencies_are_measured(bundle: Path, tmp_path: Path) -> None:
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in TEXTS)])
    options = ["--seconds", "6", "--rounds", "1", "--share", "0.2"]
    words = [str(bundle), "--texts", str(tmp_path / "rows.csv"), *options]
    done = CliRunner().invoke(main, [*words, "--json", str(tmp_path / "figures.json")])
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "figures.json").read_text())
    assert table(result) + "\n" == done.output
    (seen,) = result["rounds"]["edgepress serve"]
    assert (seen["wrong"], seen["failed"]) == (0, [])
    assert len(seen["latency_ms"]) == 2
    assert sum(map(len, seen["latency_ms"])) == seen["requests"] > 20
    assert seen["per_s"] == pytest.approx(0.2 * seen["capacity_per_s"])


def test_wrong_answers_and_refusals_are_counted(bundle: Path) -> None:
    answer = shown(bundle, TEXTS[:1])[0]
    rows = [
        _row(TEXTS[0], answer["label"], answer["score"]),
        _row(TEXTS[0], answer["label"], answer["score"] + 1e-4),
        _row(TEXTS[0], "another", answer["score"]),
        _row(" ", "", 0.0),
    ]
    with running(bundle) as started:
        load = poisson_load(started.port, rows, 40, 1.0, "it")
    count = len(load.late_ms)
    assert load.wrong == sum(number % 4 in (1, 2) for number in range(count))
    assert load.failed == ["400"] * sum(number % 4 == 3 for number in range(count))
    assert len(load.latencies) == count
    assert all(latency > 0 for _, latency in load.latencies)

"""MLPerf's LoadGen drives a real model, and its figures stand beside edgepress's own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.loadgen import compared, main, percentiles_ms
from profiles.statistics import Interval
from tests.absent import needs
from tests.runtimes.tiny import TEXTS, tiny_onnx


def _rows(folder: Path) -> str:
    path = folder / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in TEXTS)])
    return str(path)


def test_both_scenarios_are_compared(tmp_path: Path) -> None:
    needs("mlperf_loadgen")
    figures = tmp_path / "figures.json"
    options = ["--per-s", "40", "--seconds", "0.6", "--rounds", "2", "--json", str(figures)]
    model = str(tiny_onnx(tmp_path / "tiny").path)
    done = CliRunner().invoke(main, [model, "--texts", _rows(tmp_path), *options])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line.count("|") for line in lines] == [6] * 8
    assert lines[5].startswith("| `server_latency_p50_at_40_per_s_ms` |")
    runs = json.loads(figures.read_text())["loadgen_ms"]
    for scenario in ("SingleStream", "Server"):
        assert len(runs[scenario]) == 2
        assert all(0 < run["p50"] <= run["p90"] <= run["p99"] for run in runs[scenario])


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [str(tmp_path), "--texts", _rows(tmp_path)])
    assert done.exit_code == 2
    assert "artifact.json" in done.output


def test_percentiles_are_read_from_the_detail_log() -> None:
    rows = [
        {"key": "loadgen_version", "value": "6.0"},
        {"key": "result_50.00_percentile_latency_ns", "value": 1_000_000},
        {"key": "result_90.00_percentile_latency_ns", "value": 2_500_000},
        {"key": "result_99.00_percentile_latency_ns", "value": 9_000_000},
    ]
    log = "\n".join(f":::MLLOG {json.dumps(row)}" for row in rows)
    assert percentiles_ms(f"a line of its own\n{log}\n") == {"p50": 1.0, "p90": 2.5, "p99": 9.0}


@pytest.mark.parametrize(
    ("theirs", "bounds", "said"),
    [
        ((2.0, 1.9, 2.1), (1.8, 2.2), "inside"),
        ((2.3, 2.1, 2.5), (1.8, 2.2), "+4.5 % beyond the bound; its own runs allow [2.10, 2.50]"),
        ((1.0, 0.9, 1.1), (2.0, 2.2), "-50.0 % beyond the bound"),
        ((1.0, 0.9, 1.1), (2.0, None), "needs 473 samples"),
    ],
)
def test_what_lies_outside_says_by_how_much(
    theirs: tuple[float, float, float], bounds: tuple[float, float | None], said: str
) -> None:
    value, low, high = theirs
    assert compared(Interval(value, low, high, 2), *bounds, "needs 473 samples") == said

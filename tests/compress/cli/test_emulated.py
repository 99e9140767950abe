"""An emulated device judges accuracy, size and memory; no command gets milliseconds from it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from profiles.emulated import WHY
from profiles.transport import TRANSPORTS
from runtimes.errors import UnsupportedError
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

BOARD = """schema = 1
name = "{name}"
[transport]
kind = "imitation"
host = "{host}"
[budgets]
artifact_mb = {{max = 100}}
{budgets}
"""
TIMED = """latency_p90_ms = {max = 1000}
cold_start_p50_ms = {max = 9000}
energy_per_answer_mj = {max = 9000, level = "warn"}
throughput_b4_c1_rows_per_s = {min = 1}
speedup = {min = 0.001}
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("emulated")
    tiny_onnx(folder / "model")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 4)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    for name, budgets in {
        "timed": TIMED + "accuracy_retention = {min = 0.3}\n",
        "untimed": "accuracy_retention = {min = 0.3}\nrss_peak_mb = {max = 1000, confidence = 0.5}",
        "small": "rss_peak_mb = {max = 5, confidence = 0.5}",
    }.items():
        text = BOARD.format(name=name, host=folder / "device", budgets=budgets)
        (folder / f"{name}.toml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(TRANSPORTS.rows, "imitation", "tests.profiles.emulated:Emulated")
        yield folder


def _said(capsys: pytest.CaptureFixture[str], line: str, code: int) -> Any:
    assert run([*line.split(), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def _checks(said: Any) -> dict[str, Any]:
    (verdict,) = said["verdicts"]
    return {check["metric"]: check for check in verdict["checks"]}


GATE = "gate model --reference model --data rows.csv --samples s.jsonl --profile"


def test_budgets_on_time_are_not_measured_whatever_the_options(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(capsys, f"{GATE} timed.toml --tier release --least 3", 3)
    checks = _checks(said)
    assert {name: row["status"] for name, row in checks.items()} == {
        "artifact_mb": "PASS",
        "accuracy_retention": "PASS",
        "latency_p90_ms": "NOT_MEASURED",
        "cold_start_p50_ms": "NOT_MEASURED",
        "energy_per_answer_mj": "NOT_MEASURED",
        "throughput_b4_c1_rows_per_s": "NOT_MEASURED",
        "speedup": "NOT_MEASURED",
    }
    timed = checks["latency_p90_ms"]
    assert (timed["why"], timed["measurement"]) == (WHY, None)
    assert said["status"] == "INCONCLUSIVE"
    assert said["verdicts"][0]["why"].startswith("measured on a system emulator")
    figures = [figure for model in said["models"] for figure in model["figures"]]
    assert {figure["unit"] for figure in figures} <= {"MB", "fraction", "ratio"}
    assert not [row for row in figures if "latency" in row["metric"] or "speed" in row["metric"]]
    assert said["machine"]["emulated"]


def test_it_takes_no_more_processes_than_memory_needs(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _said(capsys, f"{GATE} untimed.toml", 0)
    assert {row["status"] for row in _checks(said).values()} == {"PASS"}
    lines = [json.loads(line) for line in (ground / "s.jsonl").read_text().splitlines()]
    starts = [line["variant"] for line in lines if line["kind"] == "start"]
    assert sorted(starts) == ["candidate"] * 7 + ["reference"]  # 0.9^7 < 0.5


def test_memory_that_is_too_large_fails(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _checks(_said(capsys, f"{GATE} small.toml", 1))["rss_peak_mb"]["status"] == "FAIL"


def test_the_emulators_own_memory_does_not_fail_a_model(
    ground: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "tests.profiles.emulated:EmulatedPrograms"
    monkeypatch.setitem(TRANSPORTS.rows, "imitation", row)
    check = _checks(_said(capsys, f"{GATE} small.toml", 3))["rss_peak_mb"]
    assert check["status"] == "INCONCLUSIVE"
    assert "the emulator's own memory" in check["why"]


def test_stored_samples_are_judged_alike(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _said(capsys, f"{GATE} timed.toml", 3)
    checks = _checks(_said(capsys, "judge s.jsonl --profile timed.toml", 3))
    assert checks["latency_p90_ms"]["status"] == "NOT_MEASURED"
    assert checks["accuracy_retention"]["status"] == "PASS"


def test_the_printouts_say_why(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{GATE} timed.toml".split()) == 3
    shown = capsys.readouterr()
    assert WHY in shown.out
    assert "7 processes" not in shown.out
    assert "1 process on an emulated device" in shown.out
    assert not re.search(r"\d ms", shown.out)


def test_validate_gives_no_milliseconds(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "validate model --reference model --data rows.csv --profile timed.toml"
    said = _said(capsys, line, 3)
    text = json.dumps(said)
    assert "NOT_MEASURED" in text
    assert not re.findall(r'"latency_p50_ms": \d', text)
    assert not re.findall(r'"cold_start_ms": \d', text)


def test_a_baseline_of_times_is_refused(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "baseline save model --data rows.csv --out b.json --profile untimed.toml"
    assert run(line.split()) == UnsupportedError.exit_code
    assert "goes by times" in capsys.readouterr().err
    assert not (ground / "b.json").exists()


def test_suggested_budgets_are_not_on_time(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "budget suggest model --data rows.csv --profile untimed.toml"
    assert run(line.split()) == 0
    shown = capsys.readouterr().out
    assert "artifact_mb" in shown
    assert "latency" not in shown
    assert "cold_start" not in shown

"""A profile's memory bounds the measured process: what does not fit fails, and nothing crashes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

LIMIT_MB = 200
BOARD = f"""schema = 1
name = "small-board"
[hardware]
memory_mb = {LIMIT_MB}
[budgets]
artifact_mb = {{max = 100}}
"""
MEMORY = "rss_peak_mb = {max = 2000}\n"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("memory")
    tiny_onnx(folder / "student")
    tiny_onnx(folder / "teacher", layers=6, hidden=3000)  # 216 MB of weights, more while it loads
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 4)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    (folder / "board.toml").write_text(BOARD + MEMORY)
    (folder / "fits.toml").write_text(BOARD)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def _gate(capsys: pytest.CaptureFixture[str], line: str, code: int) -> Any:
    options = "--data rows.csv --tier quick --samples s.jsonl --json"
    assert run([*line.split(), *options.split()]) == code
    return json.loads(capsys.readouterr().out)


def test_a_model_that_does_not_fit_fails_with_its_peak(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = _gate(capsys, "gate teacher --reference student --profile board.toml", 1)
    (verdict,) = said["verdicts"]
    check = {row["metric"]: row for row in verdict["checks"]}["rss_peak_mb"]
    assert (verdict["status"], check["status"]) == ("FAIL", "FAIL")
    assert f"{LIMIT_MB} MB" in check["why"]
    assert "peak" in check["why"]
    (held_by,) = {"cgroup", "RLIMIT_DATA"} & set(verdict["conditions"].split())
    models = {model["role"]: model for model in said["models"]}
    assert models["candidate"]["memory_limit"] == held_by
    assert models["reference"]["memory_limit"] == ""
    assert any(row["metric"] == "latency_p50_ms" for row in models["reference"]["figures"])
    assert run("judge s.jsonl --profile board.toml".split()) == 1  # noqa: SIM905
    again = capsys.readouterr().out
    assert f"{LIMIT_MB} MB" in again
    assert f"memory limit: {held_by}" in again


def test_a_model_that_fits_passes(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = _gate(capsys, "gate student --profile fits.toml", 0)
    assert said["status"] == "PASS"
    assert "memory limit: " in said["verdicts"][0]["conditions"]


def test_without_a_control_group_the_process_limits_its_data(
    ground: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's code is read by a fresh process, so the hierarchy itself must be refused."""
    sealed = ground / "no-groups"
    sealed.mkdir()
    (sealed / "sitecustomize.py").write_text(
        "import runtimes.control_group as groups\ngroups._parent = lambda *_: None\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{sealed}:{os.environ.get('PYTHONPATH', '')}")
    said = _gate(capsys, "gate teacher --reference student --profile board.toml", 1)
    (candidate,) = (model for model in said["models"] if model["role"] == "candidate")
    assert candidate["memory_limit"] == "RLIMIT_DATA"


def test_the_limit_is_on_data_alone(tmp_path: Path) -> None:
    """Address space that is only reserved, as libraries do, does not count."""
    code = (
        "from runtimes.limits import limit_data; import mmap; limit_data(200);"
        "held = mmap.mmap(-1, 2**30, prot=mmap.PROT_READ); print(len(held)); bytearray(400 * 2**20)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == str(2**30)
    assert "MemoryError" in done.stderr

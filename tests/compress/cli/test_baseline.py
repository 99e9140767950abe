"""edgepress baseline and budget suggest, end to end on a tiny model."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from compress.cli.main import run
from profiles.device import DeviceProfile
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

pytestmark = pytest.mark.measured


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a model, and rows that it is measured on."""
    folder = tmp_path_factory.mktemp("ground")
    tiny_onnx(folder / "model")
    rows = [f"{text},{LABELS[number % 3]}" for number, text in enumerate(TEXTS)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def stored(ground: Path) -> Path:
    """Store a baseline of the model."""
    out = ground / "base.json"
    rows = ["--data", str(ground / "rows.csv"), "--tier", "quick", "-q"]
    assert run(["baseline", "save", str(ground / "model"), *rows, "--out", str(out)]) == 0
    return out


def test_what_was_stored_is_shown(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["baseline", "show", str(stored)]) == 0
    said = capsys.readouterr().out
    for name in ("latency_p50_ms", "cold_start_ms", "rss_peak_mb", "accuracy", "threads 1"):
        assert name in said
    assert run(["baseline", "show", str(stored), "--json"]) == 0
    content = json.loads(stored.read_text())
    del content["baseline_digest"]  # of the content, for the file alone
    assert json.loads(capsys.readouterr().out) == content


def test_a_baseline_beside_itself_is_equal(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["baseline", "compare", str(stored), str(stored), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["remarks"] == []
    values = {row["metric"]: row["value"] for row in said["figures"] if "value" in row}
    assert values == pytest.approx(dict.fromkeys(values, 1.0))
    assert "latency_p50_vs_baseline" in values
    assert run(["baseline", "compare", str(stored), str(stored)]) == 0
    assert "artifact_vs_baseline        1.000 (exact)" in capsys.readouterr().out


def test_a_file_that_is_none_is_refused(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["baseline", "show", str(ground / "rows.csv")]) == 2
    assert "not JSON" in capsys.readouterr().err


def test_suggested_budgets_are_a_profiles(ground: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["--data", str(ground / "rows.csv"), "--tier", "quick", "-q"]
    assert run(["budget", "suggest", str(ground / "model"), *rows]) == 0
    table = tomllib.loads(capsys.readouterr().out)
    profile = DeviceProfile.model_validate({"schema": 1, "name": "mine", **table})
    assert {"latency_p50_ms", "artifact_mb", "rss_peak_mb"} <= set(profile.budgets)

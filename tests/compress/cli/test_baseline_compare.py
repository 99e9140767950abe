"""`edgepress baseline compare` says of each figure what it is, or why there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.cli.main import run
from profiles.baseline import Baseline, write_baseline
from tests.profiles.test_baseline import stored


@pytest.fixture
def poor(tmp_path: Path) -> list[str]:
    """Store a baseline of one process, without cold starts and labels, and a full one."""
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    full = stored()
    once = {name: getattr(full, name)[:1] for name in ("latency_p50_ms", "latency_p90_ms")}
    rest = {"rss_peak_mb": (100.0,), "cold_start_ms": (), "right": None}
    changed = Baseline.model_validate({**full.to_json(), **once, **rest})
    write_baseline(old, changed)
    write_baseline(new, stored())
    return [str(old), str(new)]


def test_what_one_process_does_not_support_says_what_would(
    poor: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["baseline", "compare", *poor]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said["latency_p50_vs_baseline"] == (
        "not supported: needs 2 processes in each session (have 5 and 1);"
        " save both again with a larger --tier"
    )
    assert said["cold_start_p50_vs_baseline"] == "not measured in the baseline; save it again"
    labels = "not measured in the baseline; save it again with labeled rows"
    assert said["accuracy_vs_baseline"] == labels
    assert said["artifact_vs_baseline"] == "1.000 (exact)"
    assert not any("?" in text for text in said.values())


def test_json_has_every_metric_and_why_it_has_no_value(
    poor: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["baseline", "compare", *poor, "--json"]) == 0
    rows = {row["metric"]: row for row in json.loads(capsys.readouterr().out)["figures"]}
    assert rows["artifact_vs_baseline"]["value"] == 1
    assert rows["latency_p90_vs_baseline"]["value"] is None
    assert "needs 2 processes" in rows["latency_p90_vs_baseline"]["why"]
    assert rows["accuracy_vs_baseline"]["why"] == "not measured in the baseline"

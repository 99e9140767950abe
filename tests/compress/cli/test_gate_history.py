"""`--history` of `gate` and `baseline save`: figures are kept where `edgepress history` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compress.brief_tier import shorten
from tests.compress.cli.test_gate import command, profile
from tests.compress.cli.test_judge import ground  # noqa: F401 - a model, its copy and rows

pytestmark = pytest.mark.measured

QUICK = ("--data", "rows.csv", "--tier", "quick", "-q")
MEET = ("--budget", "latency_p50_ratio=20", "--budget", "latency_p90_ratio=50")


@pytest.fixture
def place(ground: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:  # noqa: F811
    for name in ("GITHUB_SHA", "GITHUB_REF_NAME", "GITHUB_HEAD_REF", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(ground)
    return ground  # type: ignore[return-value]


def test_a_gate_keeps_its_figures(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, processes=6, blocks=4)
    named = ("--history", "kept", "--commit", "v1", "--branch", "releases")
    said = command("gate", "model", "--reference", "copy", *QUICK, *MEET, *named, "--json")
    (line,) = (place / "kept" / "regression" / "releases.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["commit"], kept["source"], kept["status"]) == (
        "v1",
        "gate",
        said.report["verdicts"][0]["status"],
    )
    candidate, reference = said.report["models"]
    assert kept["model"]["digest"] == candidate["digest"]
    assert kept["reference"]["digest"] == reference["digest"]
    assert kept["machine"] == said.report["machine"]["fingerprint"]
    assert kept["probe_ms"] == said.report["probe_ms"] > 0
    measured = {row["metric"]: row["value"] for row in candidate["figures"]}
    for metric, figure in kept["figures"].items():
        assert figure["value"] == measured[metric]
    shown = command("history", "kept")
    assert "regression on releases: 1 entry\n" in shown.out
    assert "latency_p50_ratio" in shown.out


def test_a_baseline_keeps_its_figures(place: Path) -> None:
    named = ("--history", "alone", "--commit", "v1", "--branch", "releases")
    assert command("baseline", "save", "model", *QUICK, "--out", "b.json", *named).code == 0
    kept = json.loads((place / "alone" / "local" / "releases.jsonl").read_text())
    assert kept["source"] == "baseline"
    assert {"latency_p50_ms", "rss_peak_mb", "artifact_mb", "accuracy"} <= kept["figures"].keys()
    figure = kept["figures"]["latency_p50_ms"]
    assert figure["lower"] < figure["value"] < figure["upper"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--history", "kept"), "--history without --commit"),
        (("--history", "kept", "--commit", "v1"), "--history without --branch"),
        (("--commit", "v1"), "--commit without --history"),
        (("--history", "rows.csv/kept", "--commit", "v1", "--branch", "b"), "rows.csv"),
    ],
)
def test_a_history_that_cannot_be_kept_is_refused_before_measuring(
    place: Path, options: tuple[str, ...], why: str
) -> None:
    said = command("gate", "model", *QUICK, "--budget", "artifact_mb=9", *options)
    assert (said.code, said.out) == (2, ""), said.err
    assert why in said.err
    assert "measured" not in said.err


def test_another_device_s_figures_are_not_kept(place: Path) -> None:
    named = ("--history", "boards", "--commit", "v1", "--branch", "main")
    board = profile(place, "board", "artifact_mb = {max = 9}\n", '[match]\ncpu_model = "none*"')
    said = command("gate", "model", *QUICK, "--unlabeled", "--profile", board, *named)
    assert said.code == 4
    assert "nothing is kept for board: it is another device" in said.err
    assert not (place / "boards").exists()

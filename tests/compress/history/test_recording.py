"""What a gate of several devices adds to the histories of its profiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compress.history.commit import Commit
from compress.history.recording import record_baseline, record_gate
from compress.history.series import Entry, entries
from compress.history.trend import history_of
from compress.progress import Silence
from compress.report.gate_report import Fault, GatedDevice
from profiles.scores import RowScores
from tests.compress.report.gate_fixture import measurement, model, report, verdict
from tests.profiles.test_baseline import stored

COMMIT = Commit("c0ffee" * 6 + "abcd", "main", "2026-11-21T08:00:00+00:00")


def device(name: str, p90_ms: float, probe_ms: float) -> GatedDevice:
    figure = measurement(value=p90_ms, lower=p90_ms, upper=p90_ms)
    return GatedDevice(
        name=name,
        transport="ssh",
        profiles=(name,),
        machine={"cpu_model": f"CPU of {name}", "arch": "aarch64", "fingerprint": f"{name}-1"},
        models=(model(figures=(figure,)), model("reference")),
        looks=1,
        seconds=1.0,
        probe_ms=probe_ms,
    )


LEFT, RIGHT = device("left", 1.0, 0.5), device("right", 9.0, 0.7)


def _kept(folder: Path, profile: str) -> Entry:
    (entry,) = entries(folder, profile, "main", Silence())
    return entry


def test_each_profile_keeps_its_own_devices_figures(tmp_path: Path) -> None:
    gated = report(
        verdict(profile="left"),
        verdict(profile="right"),
        machine=LEFT.machine,
        models=LEFT.models,
        probe_ms=LEFT.probe_ms,
        devices=(LEFT, RIGHT),
    )
    _, refused = record_gate(gated, tmp_path, COMMIT)
    assert refused == []
    for one in (LEFT, RIGHT):
        kept = _kept(tmp_path, one.name)
        assert (kept.machine, kept.cpu_model) == (f"{one.name}-1", f"CPU of {one.name}")
        assert kept.probe_ms == one.probe_ms
        assert kept.figures["latency_p90_ms"].value == one.models[0].figures[0].value


@pytest.mark.parametrize("failed", ["left", "right"])
def test_a_model_that_failed_on_one_device_is_kept_on_the_other(
    tmp_path: Path, failed: str
) -> None:
    gated = report(
        verdict(profile="left"),
        verdict(profile="right"),
        devices=(LEFT, RIGHT),
        faults=(Fault(f"candidate on {failed}", "killed", device=failed),),
    )
    files, refused = record_gate(gated, tmp_path, COMMIT)
    assert len(files) == 1
    assert refused == [f"nothing of candidate on {failed} is kept: it failed"]
    assert _kept(tmp_path, "right" if failed == "left" else "left").figures


def test_a_baseline_keeps_the_score_of_its_task(tmp_path: Path) -> None:
    scores = RowScores(np.tile([2.0, 0.0, 4.0], 40), np.tile([2.0, 3.0, 4.0], 40))
    texts = [["a", str(number)] for number in range(120)]
    base = stored(scores=scores, texts=texts, metric="f1")
    record_baseline(base, "local", tmp_path, COMMIT)
    figures = _kept(tmp_path, "local").figures
    known = figures["f1"]
    assert known.value == pytest.approx(6 / 9)
    assert known.lower is not None
    assert known.upper is not None
    assert 0.5 < known.lower < 6 / 9 < known.upper < 0.85
    assert "accuracy" not in figures
    (entry,) = entries(tmp_path, "local", "main", Silence())
    shown = history_of("local", "main", [entry]).trends
    assert "f1" in [trend.metric for trend in shown]


def test_a_device_alone_keeps_what_the_report_says(tmp_path: Path) -> None:
    record_gate(report(verdict(profile="left"), probe_ms=0.4), tmp_path, COMMIT)
    assert _kept(tmp_path, "left").probe_ms == 0.4
    gated = report(verdict(profile="left"), faults=(Fault("candidate", "killed"),))
    assert record_gate(gated, tmp_path, COMMIT)[0] == []

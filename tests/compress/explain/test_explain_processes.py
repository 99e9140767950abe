"""Explanations from fresh processes: a cold start's steps, memory by step, a session's course."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compress.data.dataset import DataSettings
from compress.explain import cold_start, memory, server, sustained
from compress.explain.explain import explain
from compress.explain.explanation import Explanation
from compress.explain.question import Question
from compress.explain.sustained import _answer, _ratios
from runtimes.artifact import Artifact
from runtimes.errors import BackendError
from runtimes.samples import Block
from tests.runtimes import tiny

pytestmark = pytest.mark.measured

STEPS = ["interpreter", "imports", "load", "session", "first_result", "other"]


def asked(metric: str, artifact: Artifact, folder: Path, **more: Any) -> Explanation:
    rows = folder / "rows.csv"
    rows.write_text("\n".join(["text", *tiny.TEXTS]))
    data = DataSettings(train=(), test=(str(rows),))
    return explain(Question(metric, artifact, data=data, **more))


def rows_of(explanation: Explanation) -> list[dict[str, Any]]:
    return explanation.tables[0].to_json()


def test_a_cold_starts_steps_make_up_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold_start, "_STARTS", 1)
    explanation = asked("cold_start_p50_ms", tiny.tiny_onnx(tmp_path / "m"), tmp_path)
    rows = rows_of(explanation)
    assert [row["step"] for row in rows] == STEPS
    total = explanation.figures["cold_start_p50_ms"]
    assert sum(row["median_ms"] for row in rows) == pytest.approx(total)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    longest = max(rows[:-1], key=lambda row: row["median_ms"])
    assert explanation.figures["longest"] == longest["step"]
    assert explanation.figures["starts"] == 1


@pytest.mark.parametrize("make", [tiny.tiny_onnx, tiny.tiny_openvino])
def test_memory_is_told_step_by_step(make: Any, tmp_path: Path) -> None:
    explanation = asked("rss_peak_mb", make(tmp_path / "m"), tmp_path)
    rows = rows_of(explanation)
    assert [row["step"] for row in rows] == list(memory._WHAT)
    assert sum(row["added_mb"] for row in rows) == pytest.approx(rows[-1]["rss_mb"])
    peaks = [row["peak_mb"] for row in rows]
    assert peaks == sorted(peaks)
    assert all(row["peak_mb"] >= row["rss_mb"] >= row["file_mb"] > 0 for row in rows)
    assert 10 < explanation.figures["rss_mb"] < 400


def test_larger_weights_are_seen_in_the_session_step(tmp_path: Path) -> None:
    small = tiny.tiny_onnx(tmp_path / "small")
    large = tiny.tiny_onnx(tmp_path / "large", layers=4, hidden=1024)
    explanation = asked("rss_peak_ratio", large, tmp_path, reference=small)
    session = next(row for row in rows_of(explanation) if row["step"] == "session")
    assert session["added_mb"] - session["reference_added_mb"] > 0.8 * large.size_mb


def test_a_process_that_cannot_load_the_model_says_why(tmp_path: Path) -> None:
    model = tiny.tiny_onnx(tmp_path / "m")
    model.model_file.write_bytes(b"no model")
    with pytest.raises(BackendError, match=r"model\.onnx: not an intact ONNX file"):
        asked("rss_peak_mb", model, tmp_path)


@pytest.mark.alone
def test_a_load_is_split_into_work_and_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_PLAN", replace(server._PLAN, warmup_s=0.05, server_s=0.8))
    metric = "server_latency_p90_at_50_per_s_ms"
    explanation = asked(metric, tiny.tiny_onnx(tmp_path / "m"), tmp_path)
    figures = explanation.figures
    assert figures["utilization"] == pytest.approx(50 * figures["work_mean_ms"] / 1e3)
    assert figures["wait_share"] == pytest.approx(
        figures["wait_mean_ms"] / (figures["wait_mean_ms"] + figures["work_mean_ms"])
    )
    assert 0 < figures["work_mean_ms"] < figures[metric] * 2
    assert [row["part"] for row in rows_of(explanation)] == [
        "wait in the queue",
        "the request's own work",
    ]
    assert "at 50 requests a second the model is busy" in explanation.answer


def test_a_load_that_is_too_high_is_said_to_grow_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_PLAN", replace(server._PLAN, warmup_s=0.05, server_s=0.2))
    model = tiny.tiny_onnx(tmp_path / "m", layers=8, hidden=256)
    explanation = asked("server_latency_p99_at_99999_per_s_ms", model, tmp_path)
    assert "the queue grows without end" in explanation.answer
    assert explanation.figures["unanswered"] > 0
    assert "requests were not answered in time" in explanation.notes[0]


def test_a_session_is_shown_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sustained, "_SECONDS", 0.1)
    explanation = asked("sustained_p90_ratio", tiny.tiny_onnx(tmp_path / "m"), tmp_path)
    assert explanation.figures["blocks"] >= sustained._FEWEST_BLOCKS
    rows = rows_of(explanation)
    assert len(rows) == 12
    assert rows[0]["blocks"].startswith("1-")
    assert rows[-1]["blocks"].endswith(f"-{explanation.figures['blocks']}")
    assert all(row["p90_ms"] >= row["p50_ms"] > 0 for row in rows)


def session(slow: float = 1.0, **late: Any) -> list[Block]:
    """Return thirty blocks of ten samples; the last ten are `slow` and have `late`'s fields."""
    usual = {"contaminated": (False,) * 10, "probe_ms": (1.0, 1.0)}
    return [
        Block(0, order, tuple(pace * (1 + 0.01 * i) for i in range(10)), **{**usual, **more})
        for order in range(30)
        for pace, more in [(slow, late) if order >= 20 else (1.0, {})]
    ]


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (session(), "nothing slowed"),
        (session(1.3), "the model or its runtime slowed"),
        (session(1.3, probe_ms=(1.3, 1.3)), "its probe takes 1.30 times as long"),
        (session(1.3, throttled=True), "throttled in 10 blocks"),
        (session(1.3, contaminated=(True,) * 10), "other work took the core in 100 %"),
    ],
)
def test_what_slowed_is_told_by_the_evidence(blocks: list[Block], said: str) -> None:
    figures = _ratios(blocks[:10], blocks[-10:])
    figures["throttled"] = sum(block.throttled for block in blocks)
    assert said in _answer(figures)


def test_a_falling_clock_is_the_machines() -> None:
    fast = session()[:10]
    early = [Block(0, b.order, b.latency_ms, b.contaminated, b.probe_ms, mhz=2400.0) for b in fast]
    late = [
        Block(
            0, b.order, tuple(2 * v for v in b.latency_ms), b.contaminated, (1.0, 1.0), mhz=1200.0
        )
        for b in fast
    ]
    assert "clock fell to 50 %" in _answer({**_ratios(early, late), "throttled": 0})


def test_preempted_samples_alone_do_not_accuse_the_model() -> None:
    """Observed on a busy machine: a fifth of the samples waits, and p90 is one of them."""
    flags = (True,) * 3 + (False,) * 7
    early = [Block(0, i, (4.0,) * 3 + (1.0,) * 7, flags, (1.0, 1.0)) for i in range(10)]
    late = [Block(0, i, (9.0,) * 3 + (1.0,) * 7, flags, (1.0, 1.0)) for i in range(10)]
    said = _answer({**_ratios(early, late), "throttled": 0})
    assert "2.25 times the first's: other work took the core in 30 %" in said
    assert said.endswith("samples without other work: 1.00")

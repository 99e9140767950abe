"""Stored measurements: their content, their refusals, and the comparison of two."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles.baseline import (
    DISTURBED,
    Baseline,
    baseline_of,
    compare,
    read_baseline,
    remarks,
    strangeness,
    write_baseline,
)
from profiles.scores import RowScores
from runtimes.errors import InputError
from runtimes.facts import probe
from tests.profiles.test_measurement import samples

HERE = probe()
TEXTS = [f"text {number}" for number in range(100)]
RIGHT = np.arange(100) % 10 != 0


def stored(ms: float = 2.0, *, seed: int = 0, probe_ms: float = 1.0, **changes: Any) -> Baseline:
    """Make a baseline of a model of a known latency that has nine rows in ten right."""
    return baseline_of(
        samples(ms, seed=seed, probe_ms=probe_ms, processes=5),
        name="model",
        model_format="onnx",
        digest="0" * 64,
        facts=changes.get("facts", HERE),
        texts=changes.get("texts", TEXTS),
        scores=changes.get("scores", RowScores.right(RIGHT)),
        metric=changes.get("metric", "accuracy"),
        created="2026-01-01T00:00:00+00:00",
    )


def _value(now: Baseline, then: Baseline, metric: str) -> tuple[float, float, float]:
    comparison = compare(now, then).at(metric, 0.95)
    assert comparison is not None
    assert comparison.value is not None
    assert comparison.lower is not None
    assert comparison.upper is not None
    return comparison.lower, comparison.value, comparison.upper


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    write_baseline(path, stored())
    baseline = read_baseline(path)
    assert baseline == stored()
    assert baseline.scores() == RowScores.right(RIGHT)
    assert baseline.rows == 100


def test_scores_of_another_task_are_compared_under_their_name() -> None:
    graded = RowScores(np.tile([2.0, 1.0], 50), np.full(100, 2.0))
    one = stored(scores=graded, metric="f1")
    assert _value(one, one, "f1_vs_baseline")[1] == 1
    other = compare(one, stored())
    assert other.at("f1_vs_baseline", 0.95) is None
    assert other.absent["f1_vs_baseline"] == "the baseline stores accuracy, this measurement f1"


def test_unlabeled_rows_have_no_accuracy() -> None:
    bare = stored(scores=None)
    assert bare.scores() is None
    assert compare(bare, stored()).at("accuracy_vs_baseline", 0.95) is None


def test_a_slower_model_is_seen_and_an_equal_one_is_equal() -> None:
    lower, value, upper = _value(stored(2.2, seed=1), stored(), "latency_p50_vs_baseline")
    assert value == pytest.approx(1.1, rel=0.02)
    assert lower > 1.05
    lower, value, upper = _value(stored(seed=1), stored(), "latency_p90_vs_baseline")
    assert lower < 1 < upper
    assert _value(stored(), stored(), "artifact_vs_baseline") == (1, 1, 1)


def test_accuracy_is_paired_on_the_same_rows() -> None:
    worse = RIGHT.copy()
    worse[1:10] = False
    _, value, upper = _value(
        stored(scores=RowScores.right(worse)), stored(), "accuracy_vs_baseline"
    )
    assert value == pytest.approx(0.9)
    assert upper < 1


def test_scores_that_are_not_right_or_wrong_are_kept_and_compared(tmp_path: Path) -> None:
    shares = RowScores(np.linspace(0.5, 1, 100), np.full(100, 2.0))
    then = stored(scores=shares)
    write_baseline(tmp_path / "base.json", then)
    baseline = read_baseline(tmp_path / "base.json")
    assert baseline == then
    assert baseline.right is None
    assert baseline.scores() == shares
    worse = stored(scores=RowScores(shares.value * 0.9, shares.weight))
    _, value, upper = _value(worse, baseline, "accuracy_vs_baseline")
    assert value == pytest.approx(0.9)
    assert upper < 1


def test_right_rows_are_stored_as_they_always_were(tmp_path: Path) -> None:
    write_baseline(tmp_path / "base.json", stored())
    content = json.loads((tmp_path / "base.json").read_text())
    assert not {"value", "weight"} & content.keys()
    assert content["right"] == base64.b64encode(np.packbits(RIGHT).tobytes()).decode()


def test_other_rows_are_not_compared() -> None:
    other = compare(stored(texts=[*TEXTS[1:], "another"]), stored())
    for metric in ("latency_p50_vs_baseline", "accuracy_vs_baseline"):
        assert other.at(metric, 0.95) is None
        assert "other rows" in other.absent[metric]
    assert other.at("cold_start_p50_vs_baseline", 0.95) is not None


def test_other_threads_are_not_compared() -> None:
    then = stored()
    model = then.model.model_copy(update={"threads": 4})
    comparison = compare(stored(), then.model_copy(update={"model": model}))
    assert "4 threads" in comparison.absent["latency_p50_vs_baseline"]


def test_a_machine_that_changed_its_pace_is_said_and_not_blamed_on_the_model() -> None:
    comparison = compare(stored(2.4, probe_ms=1.2), stored())
    assert "20% slower" in comparison.absent["latency_p50_vs_baseline"]
    assert comparison.at("rss_peak_vs_baseline", 0.95) is not None


def test_another_machine_is_strange() -> None:
    then = stored(facts=dataclasses.replace(HERE, cpu_model="Another CPU"))
    assert "Another CPU" in strangeness(stored(), then)
    assert strangeness(stored(), stored()) == ""


def test_another_runtime_version_is_remarked() -> None:
    then = stored()
    model = then.model.model_copy(update={"runtime_version": "1.20"})
    (said,) = remarks(stored(), then.model_copy(update={"model": model}))
    assert "1.20" in said
    assert "1.31" in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("{", "not JSON"),
        ("[]", "not a baseline (a JSON list)"),
        ('{"schema_version": 1, "status": "PASS"}', "its keys are schema_version, status"),
        ({"edgepress_baseline": 0}, "schema 0; this edgepress reads 3"),
        ({"edgepress_baseline": 1}, "timed the model alone, not from input to answer"),
        ({"edgepress_baseline": 2}, "timed the first rows after another model ran"),
        ({"edgepress_baseline": "new"}, "schema 'new'"),
        ({"rows": 0}, "rows: "),
        ({"latency_p50_ms": []}, "latency_p50_ms: "),
        ({"latency_p50_ms": [1.0, -1.0]}, "latency_p50_ms.1: "),
        ({"cold_start_ms": "fast"}, "cold_start_ms: "),
        ({"surprise": 1}, "surprise: "),
        ({"right": "€"}, "right: "),
        ({"right": "AAAA"}, "right: "),
        ({"right": None, "value": "AAAA", "weight": "AAAA"}, "value: "),
        ({"rows_digest": None}, "rows_digest: "),
    ],
)
def test_a_broken_file_is_refused_with_the_way_out(
    tmp_path: Path, change: str | dict[str, Any], says: str
) -> None:
    path = tmp_path / "base.json"
    text = change if isinstance(change, str) else json.dumps({**stored().model_dump(), **change})
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_baseline(path)
    assert says in str(caught.value)
    assert "baseline save" in str(caught.value)


@pytest.mark.parametrize("change", [{"size_mb": 9.0}, {"rows_digest": "0" * 64}, {"seed": 8}])
def test_an_edited_figure_is_found(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "base.json"
    write_baseline(path, stored())
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **change}), encoding="utf-8")
    with pytest.raises(InputError, match=r"not as it was written|extra"):
        read_baseline(path)


def test_a_missing_file_and_a_binary_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_baseline(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_baseline(tmp_path / "b.json")


def test_a_session_without_an_undisturbed_run_compares_all_but_latency(tmp_path: Path) -> None:
    busy = stored().model_copy(update={"latency_p50_ms": (), "latency_p90_ms": ()})
    comparison = compare(busy, stored())
    assert comparison.at("latency_p50_vs_baseline", 0.95) is None
    assert comparison.absent["latency_p90_vs_baseline"] == DISTURBED
    assert comparison.at("artifact_vs_baseline", 0.95) is not None
    path = tmp_path / "busy.json"
    write_baseline(path, busy)
    with pytest.raises(InputError, match="no process's latency"):
        read_baseline(path)


@pytest.mark.parametrize(
    ("now", "then", "why"),
    [
        ("0a", "0a", ""),
        ("0a", "0b", "another host of the same kind: it only warns"),
        (None, "0a", "may be of another host of the same kind: it only warns"),
        ("0a", None, "may be of another host of the same kind: it only warns"),
    ],
)
def test_a_host_of_the_same_kind_only_warns(now: str | None, then: str | None, why: str) -> None:
    """Rented machines of one kind share a fingerprint, and differ in speed by their neighbors."""
    here, there = (dataclasses.replace(HERE, host=host) for host in (now, then))
    assert here.fingerprint() == there.fingerprint()
    said = strangeness(stored(facts=here), stored(facts=there))
    assert said.endswith(why)
    assert bool(said) == bool(why)

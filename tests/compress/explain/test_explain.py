"""Every metric has an explanation, in a sentence, a table and JSON."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import pytest

from compress.data.dataset import DataSettings
from compress.explain.explain import FAMILIES, explain, headline
from compress.explain.explanation import Column, Explanation, Table, percent
from compress.explain.question import Question
from compress.tasks import TASKS, task_of
from profiles.budget import METRICS
from runtimes.errors import InputError, UnknownNameError, UnsupportedError
from tests.runtimes import tiny

THROUGHPUTS = ("throughput_b1_c1_rows_per_s", "throughput_b32_c4_rows_per_s")
SERVER = "server_latency_p99_at_50_per_s_ms"


@pytest.mark.parametrize("metric", [*METRICS, *THROUGHPUTS, SERVER])
def test_every_metric_has_one_family(metric: str) -> None:
    own = {family for name in TASKS for family in task_of(name).explained_by}
    assert len([family for family in {*FAMILIES, *own} if metric.startswith(family)]) == 1


@pytest.mark.parametrize("row", sorted(set(FAMILIES.values())))
def test_every_family_resolves(row: str) -> None:
    module, _, name = row.partition(":")
    assert "figures: " in (getattr(importlib.import_module(module), name).__doc__ or "")


def test_an_unknown_metric_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'latency_p99_ms'"):
        explain(Question("latency_p09_ms", tiny.tiny_onnx(tmp_path / "m")))


_EXPLAINED = (*FAMILIES, *task_of("text-classification").explained_by)
_AGAINST = [name for name, metric in METRICS.items() if metric.against == "reference"]


@pytest.mark.parametrize("metric", [name for name in _AGAINST if name.startswith(_EXPLAINED)])
def test_a_ratio_to_a_reference_needs_one(metric: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--reference FOLDER"):
        explain(Question(metric, tiny.tiny_onnx(tmp_path / "m")))


def test_a_ratio_to_a_baseline_is_explained_by_the_model_alone(tmp_path: Path) -> None:
    model = tiny.tiny_onnx(tmp_path / "m")
    assert explain(Question("artifact_vs_baseline", model)).figures["artifact_mb"] > 0


@pytest.mark.parametrize("metric", ["latency_p50_ms", "rss_peak_mb", "accuracy", "speedup"])
def test_missing_rows_are_asked_for(metric: str, tmp_path: Path) -> None:
    model = tiny.tiny_onnx(tmp_path / "m")
    with pytest.raises(InputError, match="--data FILE"):
        explain(Question(metric, model, reference=model))


def test_a_torch_model_is_refused_where_it_would_have_to_run(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text\nmy card\n")
    data = DataSettings(train=(), test=(str(tmp_path / "rows.csv"),))
    model = dataclasses.replace(tiny.tiny_onnx(tmp_path / "m"), format="huggingface")
    with pytest.raises(UnsupportedError, match="edgepress export"):
        explain(Question("latency_p50_ms", model, data=data))


def test_a_headline_names_what_is_behind_a_figure(tmp_path: Path) -> None:
    model = tiny.tiny_onnx(tmp_path / "m", layers=3, hidden=256)
    said = headline("latency_p90_ms", model, tiny.TEXTS, seconds=0.3)
    assert "matrix product nodes (MatMul)" in said
    assert "% of the time" in said
    assert headline("artifact_mb", model, ()) == "30 % is w0"


def test_a_headline_is_silent_rather_than_in_the_way(tmp_path: Path) -> None:
    torch = dataclasses.replace(tiny.tiny_onnx(tmp_path / "torch"), format="huggingface")
    assert headline("latency_p90_ms", torch, tiny.TEXTS) == ""
    assert headline("accuracy", torch, tiny.TEXTS) == ""
    model = tiny.tiny_onnx(tmp_path / "m")
    model.model_file.write_bytes(b"no model")
    assert headline("latency_p90_ms", model, tiny.TEXTS) == ""
    with pytest.raises(UnknownNameError):
        headline("latency", model, tiny.TEXTS)


def test_a_table_is_aligned_and_leaves_empty_columns_out() -> None:
    columns = (Column("name", "name"), Column("ms", "ms", ".1f"), Column("note", "note"))
    table = Table(
        "t", "times", columns, (("a", 1.25, ""), ("long name", 10.0, ""), ("b", None, ""))
    )
    assert table.lines() == [
        "times",
        "  name         ms",
        "  a           1.2",
        "  long name  10.0",
        "  b",
    ]
    assert table.to_json()[1] == {"name": "long name", "ms": 10.0, "note": ""}


def test_an_explanation_is_one_sentence_then_what_it_is_made_of() -> None:
    filled = Table("full", "filled", (Column("a", "a"),), (("x",),))
    empty = Table("none", "empty", (Column("a", "a"),), ())
    explanation = Explanation("because", {"x": 1.5}, (filled, empty), ("mind the gap",))
    assert explanation.text("m") == "m: because\n\nfilled\n  a\n  x\n\nnote: mind the gap"
    assert json.loads(json.dumps(explanation.to_json("m"))) == {
        "schema_version": 1,
        "metric": "m",
        "answer": "because",
        "figures": {"x": 1.5},
        "tables": {"full": [{"a": "x"}], "none": []},
        "notes": ["mind the gap"],
    }


@pytest.mark.parametrize(
    ("share", "written"),
    [(0, "0 %"), (0.004, "<1 %"), (0.006, "1 %"), (0.714, "71 %"), (1, "100 %")],
)
def test_percent_tells_little_from_nothing(share: float, written: str) -> None:
    assert percent(share) == written

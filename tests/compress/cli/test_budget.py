"""`edgepress budget explain` on the command line: text, JSON and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run


@pytest.fixture
def explained(onnx: Path, ground: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `budget explain METRIC` on the tiny model; return the exit code and both outputs."""

    def ask(metric: str, *arguments: object, rows: bool = True) -> tuple[int, str, str]:
        data = ["--data", str(ground / "test.csv")] if rows else []
        line = ["budget", "explain", metric, str(onnx), *data, *map(str, arguments), "-q"]
        code = run(line)
        said = capsys.readouterr()
        return code, said.out, said.err

    return ask


def test_the_answer_comes_first(explained: Any) -> None:
    code, out, err = explained("latency_p90_ms", "--top", 100)
    assert (code, err) == (0, "")
    first = out.splitlines()[0]
    assert first.startswith("latency_p90_ms: ")
    assert "% of the time is in" in first
    assert "classifier" in out
    assert "note: without the profiler p50 is" in out


def test_json_has_the_documented_keys(explained: Any) -> None:
    code, out, _ = explained("latency_p50_ms", "--json", "--top", 3)
    content = json.loads(out)
    assert code == 0
    assert list(content) == ["schema_version", "metric", "answer", "figures", "tables", "notes"]
    assert set(content["tables"]) == {"parts", "kinds", "ops", "nodes"}
    assert set(content["figures"]) == {
        *("latency_p50_ms", "encode_latency_p50_ms", "model_latency_p50_ms"),
        *("idle_latency_p50_ms", "waited", "profiler_overhead", "node_floor_ms", "total_ms"),
        *("operators_ms", "outside_ms", "batch", "runs", "rounds"),
        *("float_path_nodes", "float_path_share"),
    }
    assert len(content["tables"]["nodes"]) == 3


def test_accuracy_is_explained_beside_a_reference(explained: Any, onnx: Path) -> None:
    code, out, _ = explained("accuracy_retention", "--reference", onnx)
    assert code == 0
    assert "0 rows lost and 0 gained against the reference" in out


def test_a_size_needs_no_rows(explained: Any) -> None:
    code, out, _ = explained("artifact_mb", rows=False)
    assert code == 0
    assert "the word embedding is" in out


@pytest.mark.parametrize(
    ("metric", "arguments", "rows", "said"),
    [
        ("latency_p09_ms", [], True, "did you mean 'latency_p99_ms'"),
        ("latency_p50_ms", [], False, "--data FILE"),
        ("speedup", [], True, "--reference FOLDER"),
        ("latency_p50_ms", ["--text", "body"], True, "body"),
        ("accuracy", ["--label", "kind"], True, "kind"),
        ("accuracy", ["--reference", "nowhere"], True, "nowhere"),
    ],
)
def test_bad_input_is_refused(
    explained: Any, metric: str, arguments: list[str], rows: bool, said: str
) -> None:
    code, out, err = explained(metric, *arguments, rows=rows)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_model_that_is_not_exported_is_refused(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = str(ground / "test.csv")
    assert run(["budget", "explain", "latency_p50_ms", str(ground), "--data", rows]) == 2
    assert "artifact.json" in capsys.readouterr().err

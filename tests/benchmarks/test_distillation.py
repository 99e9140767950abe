"""The distillation benchmark: its figures on invented turns, its refusals, and a short run."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.compress.tiny_models import LABELS, make_data, make_trained_model

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "distillation.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_distillation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = _script()


def turns(seconds: list[float], accuracies: list[float]) -> list[dict[str, Any]]:
    """Return a contestant's turns: a setup of a second, then its epochs."""
    setup = {"phase": "setup", "seconds": 1.0, "accuracy": None, "rss_peak_mb": 5.0}
    return [setup] + [
        {"phase": "epoch", "seconds": s, "accuracy": a, "rss_peak_mb": 9.0}
        for s, a in zip(seconds, accuracies, strict=True)
    ]


def runs(**other: list[dict[str, Any]]) -> dict[str, list[list[dict[str, Any]]]]:
    ours = turns([1.0, 2.0, 1.0], [0.5, 0.8, 0.9])
    return {"edgepress": [ours]} | {name: [row] for name, row in other.items()}


def test_ratios_are_of_the_same_round_so_a_busy_minute_cancels() -> None:
    summary = script.summarize(runs(slow=turns([3.0, 6.0, 3.0], [0.5, 0.8, 0.9])), 0.7)
    slower = summary["contestants"]["slow"]["slower"]
    assert slower["value"] == pytest.approx(3.0)
    assert slower["lower"] == pytest.approx(slower["upper"]) == pytest.approx(3.0)


def test_the_target_counts_setup_and_the_epochs_until_it() -> None:
    summary = script.summarize(runs(late=turns([1.0, 1.0, 1.0], [0.1, 0.2, 0.85])), 0.8)
    assert summary["target_accuracy"] == 0.8
    rows = summary["contestants"]
    assert (rows["edgepress"]["epochs_to_target"], rows["late"]["epochs_to_target"]) == (2, 3)
    assert (rows["edgepress"]["seconds_to_target"], rows["late"]["seconds_to_target"]) == (4, 4)


def test_a_target_that_one_misses_falls_to_what_all_reached() -> None:
    summary = script.summarize(runs(poor=turns([1.0, 1.0, 1.0], [0.1, 0.6, 0.3])), 0.95)
    assert summary["target_accuracy"] == 0.6
    assert summary["contestants"]["poor"]["epochs_to_target"] == 2
    assert summary["contestants"]["edgepress"]["epochs_to_target"] == 2


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SCRIPT.parents[1]), "PATH": "/usr/bin:/bin", "HOME": "/tmp"},
    )


def test_absent_rows_say_where_banking77_is(tmp_path: Path) -> None:
    done = call("--teacher", str(tmp_path), "--train", str(tmp_path / "none.csv"))
    assert done.returncode == 2
    assert "no such file" in done.stderr
    assert "task-specific-datasets" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_json_file_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    target = str(tmp_path / "none" / "found.json")
    done = call("--teacher", "x", "--train", "x", "--json", target)
    assert done.returncode == 2
    assert "no such folder" in done.stderr


@pytest.mark.slow
def test_quick_runs_every_contestant(tmp_path: Path) -> None:
    data = make_data()
    teacher = make_trained_model(tmp_path / "teacher", data=data)
    train = tmp_path / "train.csv"
    with train.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["words", "topic"])
        writer.writerows(
            (text, LABELS[label])
            for text, label in zip(data.train.inputs, data.train.targets, strict=True)
        )
    target = tmp_path / "found.json"
    columns = ("--text", "words", "--label", "topic", "--layers", "1", "--max-length", "32")
    files = ("--teacher", str(teacher.path), "--train", str(train), "--json", str(target))
    made = call(*files, *columns, "--quick", "--threads", "1")
    assert made.returncode == 0, made.stderr
    content = json.loads(target.read_text())
    assert content["schema_version"] == 1
    assert content["rows"] == {"train": 96, "validation": 45}
    assert list(content["contestants"]) == list(script.NAMES)
    for row in content["contestants"].values():
        assert [len(turns) for turns in row["runs"]] == [3]
        assert row["epoch_s"] > 0
        assert row["best_accuracy"] >= content["target_accuracy"]
        assert row["rss_peak_mb"] > 100
    assert "trainer-max-length" in made.stdout

"""What would never end is refused: numbers of threads and layers, confidences, rows given twice."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.search.request import SearchResult
from profiles.gate import Status
from runtimes import command
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

PROFILE = """schema = 1
name = "sure"
[budgets]
artifact_mb = {max = 9, confidence = 0.9999999999999999}
"""


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tiny_onnx(tmp_path / "model")
    rows = "".join(f"{text},{LABELS[i % 3]}\n" for i, text in enumerate(TEXTS * 4))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}")
    (tmp_path / "sure.toml").write_text(PROFILE)
    (tmp_path / "link.csv").symlink_to("rows.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict model hello --threads 100000", "100000"),
        ("gate model --data rows.csv --profile sure.toml", "0.9999999999999999"),
        ("gate model --data rows.csv --data rows.csv --budget artifact_mb=9", "count twice"),
        ("gate model --data rows.csv --data ./link.csv --budget artifact_mb=9", "count twice"),
        (
            "gate model --data rows.csv --data ./rows.csv --unlabeled --budget artifact_mb=9",
            "count twice",
        ),
    ],
)
def test_what_would_never_end_or_count_twice_is_bad_input(
    ground: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    assert run(line.split()) == 2
    assert said in capsys.readouterr().err


def test_the_bundle_s_own_command_has_the_bound_too(
    ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(ground / "model", ["hello", "--threads", "100000"]) == 2
    assert "1024 at most" in capsys.readouterr().err


@pytest.mark.parametrize("layers", [1_000_000, 0, -1])
def test_a_teacher_of_a_million_layers_is_refused(
    ground: Path, capsys: pytest.CaptureFixture[str], layers: int
) -> None:
    from tests.compress.tiny_models import make_model

    made = make_model(ground / "teacher")
    (ground / "teacher" / "artifact.json").unlink()
    config = made.path / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "num_hidden_layers": layers}))
    assert run(["export", "teacher", "--out", "out", "-q"]) == 2
    assert "num_hidden_layers" in capsys.readouterr().err
    assert not os.path.lexists("out")


def test_a_search_whose_time_was_up_is_undecided() -> None:
    nothing: Any = None
    found = SearchResult(nothing, nothing, (), None, None, (), {}, 1.0, None, time_is_up=True)
    assert found.unmet is Status.INCONCLUSIVE
    done = SearchResult(nothing, nothing, (), None, None, (), {}, 1.0, None)
    assert done.unmet is Status.FAIL

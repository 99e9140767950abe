"""The benchmark of packages: every answer is right, malformed events get 4xx, memory stays."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks import serverless
from compress.serverless.clients import OWN
from tests.compress.serverless.conftest import python_with_packages, tiny_bundle, tiny_package
from tests.runtimes.tiny import TEXTS

__all__ = ["python_with_packages", "tiny_bundle", "tiny_package"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Write the rows."""
    file = tmp_path / "rows.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text",), *((text,) for text in TEXTS)])
    return file


def test_a_load_is_answered_and_malformed_events_are_refused(
    tiny_package: Path,
    python_with_packages: Path,
    rows: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(tiny_package), "--data", str(rows), "--interpreter", str(python_with_packages)]
    assert serverless.main([*words, "--events", "300", "--concurrent", "4", "--rounds", "0"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sequential"]["wrong_or_failed"] == 0
    assert found["sequential"]["rss_growth"] <= 1.05
    assert found["malformed"]["failed"] == []
    assert {status // 100 for status in found["malformed"]["statuses"].values()} == {4}
    assert found["concurrent"]["cold_wrong_or_failed"] == 0
    assert found["concurrent"]["warm_wrong_or_failed"] == 0


def test_a_wrong_answer_is_counted(
    tiny_package: Path, python_with_packages: Path, rows: Path
) -> None:
    with serverless.opened(tiny_package, python_with_packages) as (package, open_one, _):
        answers = serverless.Answers(package.artifact.path, [*TEXTS])
        answers._wanted = answers._wanted[::-1]
        with open_one(OWN) as sandbox:
            assert serverless.sequential(sandbox, answers, len(TEXTS))["wrong_or_failed"] > 0


@pytest.mark.slow
def test_a_thousand_events_and_a_hundred_at_once(
    tiny_package: Path,
    python_with_packages: Path,
    rows: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(tiny_package), "--data", str(rows), "--interpreter", str(python_with_packages)]
    assert serverless.main([*words, "--rounds", "5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sequential"]["rss_growth"] <= 1.05
    assert found["clients"]["rounds"] == 5
    assert found["handler"]["p90_ratio"]["value"] < 2

"""edgepress doctor, without and with --noise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.judge.noise_model import noise_model

pytestmark = pytest.mark.measured


def test_without_noise_the_doctor_is_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"findings", "machine"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seconds", "5"], "--seconds needs --noise"),
        (["--model", "m"], "--model needs --noise"),
        (["--noise", "--model", "m"], "--model and --data together"),
        (["--noise", "--data", "d.csv"], "--model and --data together"),
        (["--noise", "--text", "query"], "--text names a column of --data"),
        (["--noise", "--seconds", "0"], "0.0 is not in the range"),
        (["--noise", "--model", "absent", "--data", "d.csv"], "absent"),
    ],
)
def test_what_makes_no_sense_is_bad_input(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_real_model_s_noise_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise_model(tmp_path / "mine")
    (tmp_path / "rows.csv").write_text("text\nw1 w2\nw3\n", encoding="utf-8")
    rows = ["--model", str(tmp_path / "mine"), "--data", str(tmp_path / "rows.csv")]
    assert run(["doctor", "--noise", "--seconds", "0.1", *rows, "--json", "-q"]) == 0
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert said.err == ""
    assert (content["model"], content["runtime"], content["rounds"]) == ("mine", "onnxruntime", 3)
    assert set(content["metrics"]) == {"latency_p50_ratio", "latency_p90_ratio"}
    assert set(content["noise"]) >= {"probe_cv", "steal", "busy_cores", "reasons", "remarks"}

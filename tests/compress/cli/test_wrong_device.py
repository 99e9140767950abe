"""A device that this machine is not is never judged from this machine's figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from compress.cli.main import run
from runtimes.facts import probe
from tests.compress.brief_tier import shorten
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

BOARD = """schema = 1
name = "{name}"
[transport]
kind = "{kind}"
{match}
[budgets]
artifact_mb = {{max = 100}}
latency_p90_ms = {{max = 1000}}
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("board")
    tiny_onnx(folder / "model")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 4)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    cpus = f"[match]\ncpus = {int(probe().cpus)}"
    for name, kind, match in (
        ("bare", "ssh", ""),
        ("cpus", "ssh", cpus),
        ("wire", "wire", ""),
        ("here", "local", ""),
    ):
        (folder / f"{name}.toml").write_text(BOARD.format(name=name, kind=kind, match=match))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.mark.parametrize("profile", ["bare.toml", "cpus.toml", "wire.toml"])
@pytest.mark.parametrize(
    "line",
    [
        "gate model --data rows.csv --samples s.jsonl --profile {profile}",
        "gate model --data rows.csv --profile here.toml --profile {profile}",
        "validate model --reference model --data rows.csv --profile {profile}",
        "baseline save model --data rows.csv --out b.json --profile {profile}",
        "budget suggest model --data rows.csv --profile {profile}",
    ],
)
def test_nothing_is_measured_for_a_device_out_of_reach(
    ground: Path, capsys: pytest.CaptureFixture[str], line: str, profile: str
) -> None:
    assert run(line.format(profile=profile).split()) == 4
    shown = capsys.readouterr()
    assert f"profile '{Path(profile).stem}': it is reached by" in shown.err
    assert "latency" not in shown.err
    assert shown.out == ""
    assert not (ground / "s.jsonl").exists()


@pytest.mark.parametrize("profile", ["bare.toml", "cpus.toml", "wire.toml"])
def test_profile_check_says_that_it_is_another_device(
    ground: Path, capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    assert run(["profile", "check", profile, "--json"]) == 4
    said = json.loads(capsys.readouterr().out)
    assert said["matches"] is False
    assert "it is reached by" in said["why"]


def test_samples_of_this_machine_do_not_judge_it(
    ground: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    gate = "gate model --data rows.csv --tier quick --profile here.toml --samples here.jsonl -q"
    assert run(gate.split()) in (0, 3)
    for profile in ("bare.toml", "cpus.toml"):
        capsys.readouterr()
        assert run(["judge", "here.jsonl", "--profile", profile, "--json"]) == 4
        (verdict,) = json.loads(capsys.readouterr().out)["verdicts"]
        assert verdict["status"] == "WRONG_DEVICE"

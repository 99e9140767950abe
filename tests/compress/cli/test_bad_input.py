"""Input that no program writes by itself: exit 2, what is wrong with it, and what to do next."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run

HEAD = 'schema = 1\nname = "t"\n'
TEACHER = '[teacher]\npath = "teacher"\n'
DATA = '[data]\ntrain = "train.csv"\ntest = "test.csv"\n'
STAGE = '[[stage]]\nkind = "distill"\nlayers = 1\n'
DISTILL = ("distill", "teacher", "--train", "train.csv", "--out", "out", "--layers", "1")
DEEP = 100_000
Refused = Callable[..., str]


@pytest.fixture
def here(ground: Path, onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a teacher, an export and rows of its own."""
    for name in ("train.csv", "test.csv"):
        shutil.copyfile(ground / name, tmp_path / name)
    shutil.copytree(ground / "teacher", tmp_path / "teacher")
    shutil.copytree(onnx, tmp_path / "onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(here: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command line that must end in exit 2, and return what it said."""

    def refuse(*arguments: object) -> str:
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert (code, said.out) == (2, ""), said.err
        assert "Traceback" not in said.err
        return said.err

    return refuse


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD.replace("1", "true") + TEACHER + DATA + STAGE, "schema"),
        (HEAD.replace("1", "9" * 5000) + TEACHER + DATA + STAGE, "r.toml"),
        (HEAD.replace("1", "[" * DEEP) + TEACHER + DATA + STAGE, "r.toml"),
        (HEAD + TEACHER + DATA + STAGE + 'epochs = "3"', "epochs"),
        (HEAD + TEACHER + DATA + STAGE + "epochs = true", "epochs"),
        (HEAD + TEACHER + DATA + STAGE + "learning_rate = nan", "learning_rate"),
        (HEAD + TEACHER + DATA + STAGE + "learning_rate = inf", "learning_rate"),
        (HEAD + TEACHER + "max_length = -1\n" + DATA + STAGE, "max_length"),
        (HEAD + TEACHER + "max_length = 0\n" + DATA + STAGE, "max_length"),
        (HEAD + TEACHER + DATA.replace('"train.csv"', '""') + STAGE, "train"),
        (HEAD + TEACHER + DATA.replace('"train.csv"', "[]") + STAGE, "train"),
        (HEAD + TEACHER.replace('teacher"', 'a\\u0000b"') + DATA + STAGE, "path"),
        (HEAD + TEACHER + DATA.replace("train.csv", "a\\u0000b.csv") + STAGE, "train"),
    ],
)
def test_a_recipe(here: Path, refused: Refused, text: str, said: str) -> None:
    (here / "r.toml").write_text(text)
    assert said in refused("run", "r.toml", "--out", "out", "--dry-run")


def _csv(*rows: str) -> bytes:
    return "\n".join(["text,label", *rows, ""]).encode()


def _jsonl(*rows: str) -> bytes:
    return "\n".join([*rows, ""]).encode()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", _csv("hello,²"), "'²'"),
        ("rows.csv", _csv("hello," + "9" * 5000), "999"),
        ("rows.csv", _csv("x" * 140_000 + ",a"), "131,072"),
        ("rows.jsonl", _jsonl('{"text": "a\\ud800", "label": "a"}'), "surrogate"),
        ("rows.jsonl", _jsonl('{"text": "a", "label": "\\ud800"}'), "surrogate"),
        ("rows.jsonl", _jsonl('{"text": ' + "9" * 5000 + ', "label": "a"}'), "line 1"),
        ("rows.jsonl", _jsonl('{"text": "a", "label": ' + "9" * 5000 + "}"), "line 1"),
        ("rows.jsonl", _jsonl("[" * DEEP), "line 1"),
        ("rows.jsonl", _jsonl('{"text": "a", "label": Infinity}'), "label"),
        ("rows.jsonl", _jsonl('{"text": "a", "label": 1e999}'), "label"),
    ],
)
def test_rows(here: Path, refused: Refused, name: str, content: bytes, said: str) -> None:
    (here / name).write_bytes(content)
    gate = ("gate", "onnx", "--budget", "accuracy=0.1", "--tier", "quick")
    assert said in refused(*gate, "--data", name)


def _parquet(path: Path, **columns: Any) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)


def test_parquet_timestamps_beyond_the_calendar(here: Path, refused: Refused) -> None:
    import pyarrow

    odd = pyarrow.array([2**62], pyarrow.timestamp("us"))
    _parquet(here / "rows.parquet", text=pyarrow.array(["a"]), label=odd)
    said = refused("gate", "onnx", "--budget", "accuracy=0.1", "--data", "rows.parquet")
    assert "rows.parquet" in said
    assert "next:" in said


def test_parquet_columns_of_one_name(here: Path, refused: Refused) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 3, ["text", "text", "label"])
    parquet.write_table(table, here / "rows.parquet")
    said = refused("gate", "onnx", "--budget", "accuracy=0.1", "--data", "rows.parquet")
    assert "'text' more than once" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("gate", "onnx", "--data", "test.csv", "--budget", "accuracy=nan"),
        ("gate", "onnx", "--data", "test.csv", "--budget", "accuracy=inf"),
        ("gate", "onnx", "--data", "test.csv", "--budget", "accuracy=0.5", "--least", "nan"),
        ("gate", "onnx", "--data", "test.csv", "--budget", "accuracy=0.5", "--least", "inf"),
        ("gate", "onnx", "--data", "test.csv", "--budget", "accuracy=0.5", "--seed", "9" * 5000),
        ("prune", "teacher", "--train", "train.csv", "--out", "out", "--ffn", "nan"),
        ("prune", "teacher", "--train", "train.csv", "--out", "out", "--heads", "inf"),
        (*DISTILL, "--set", "temperature=nan"),
        (*DISTILL, "--set", "kind=finetune"),
        ("finetune", "teacher", "--train", "train.csv", "--out", "out", "--learning-rate", "nan"),
        ("finetune", "teacher", "--train", "train.csv", "--out", "out", "--learning-rate", "inf"),
        ("search", "r.toml", "--out", "out", "--retention", "nan"),
        ("search", "r.toml", "--out", "out", "--time", "nans"),
        ("search", "r.toml", "--out", "out", "--time", "infs"),
        ("doctor", "--noise", "--seconds", "nan"),
        ("doctor", "--noise", "--seconds", "inf"),
        ("cache", "prune", "--older-than", "nan"),
        ("cache", "prune", "--older-than", "inf"),
        ("cache", "prune", "--older-than", "1e308"),
        ("predict", "onnx", "a\udc80"),
        ("export", "python:onnx/../click", "--out", "out"),
        ("export", "python:onnx//etc", "--out", "out"),
        ("export", "loop", "--out", "out"),
        ("predict", "loop", "hello"),
        ("gate", "onnx", "--data", "loop", "--budget", "accuracy=0.5"),
        ("gate", "onnx", "--data", "loop.csv", "--budget", "accuracy=0.5"),
        ("predict", "onnx", "--rows", "loop.csv"),
        ("run", "loop.toml", "--out", "out"),
        ("profile", "check", "loop.toml"),
        ("report", "loop"),
        ("export", "teacher", "--out", "loop/out"),
    ],
    ids=" ".join,
)
def test_an_option(here: Path, refused: Refused, arguments: tuple[str, ...]) -> None:
    (here / "r.toml").write_text(HEAD + TEACHER + DATA + "[target]\nretention = 0.9\n")
    for name in ("loop", "loop.csv", "loop.toml"):
        (here / name).symlink_to(name)
    refused(*arguments)
    assert not (here / "out").exists()


ADAPTERS = {
    "not JSON": "{",
    "a list": "[]",
    "no base model": "{}",
    "a base that is no text": '{"base_model_name_or_path": 5}',
    "no kind": '{"base_model_name_or_path": "../teacher"}',
    "an unknown kind": '{"base_model_name_or_path": "../teacher", "peft_type": "NONE"}',
    "a rank that is none": '{"base_model_name_or_path": "../teacher", "peft_type": "LORA",'
    ' "task_type": "SEQ_CLS", "r": -1, "target_modules": ["query"]}',
    "deep": '{"base_model_name_or_path": ' + "[" * DEEP,
    "itself": '{"base_model_name_or_path": "../adapter"}',
}


@pytest.mark.parametrize("content", ADAPTERS.values(), ids=ADAPTERS)
def test_an_adapter(here: Path, refused: Refused, content: str) -> None:
    (here / "adapter").mkdir()
    (here / "adapter" / "adapter_config.json").write_text(content)
    _write_adapter(here / "adapter" / "adapter_model.safetensors")
    assert "adapter" in refused("export", "adapter", "--out", "out")


def _write_adapter(path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"base_model.model.classifier.weight": np.zeros((3, 64), np.float32)}, path)


def test_an_adapter_beside_a_model(here: Path, refused: Refused) -> None:
    (here / "teacher" / "artifact.json").unlink()
    (here / "teacher" / "adapter_config.json").write_text("{}")
    said = refused("export", "teacher", "--out", "out")
    assert "adapter_config.json" in said
    assert "config.json" in said


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["[" * DEEP, '{"a": ' + "9" * 5000 + "}", "[]", "5", "\udcff"])
def test_a_model_s_file(here: Path, refused: Refused, name: str, content: str) -> None:
    (here / "teacher" / "artifact.json").unlink()
    (here / "teacher" / name).write_text(content, errors="surrogateescape")
    said = refused("export", "teacher", "--out", "out")
    assert "teacher" in said


@pytest.mark.parametrize("content", ["[" * DEEP, '{"a": ' + "9" * 5000 + "}", "[]", "5", "\udcff"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("baseline.json", ("baseline", "show", "baseline.json")),
        ("samples.jsonl", ("judge", "samples.jsonl", "--budget", "accuracy=0.5")),
        ("run/report.json", ("report", "run")),
        ("device.toml", ("profile", "check", "device.toml")),
        ("device.toml", ("profile", "show", "device.toml")),
        ("r.toml", ("run", "r.toml", "--out", "out")),
        ("onnx/artifact.json", ("predict", "onnx", "hello")),
        ("onnx/artifact.json", ("export", "onnx", "--out", "out")),
    ],
)
def test_a_file_of_edgepress(
    here: Path, refused: Refused, name: str, arguments: tuple[str, ...], content: str
) -> None:
    (here / "run").mkdir()
    (here / name).write_text(content, errors="surrogateescape")
    assert Path(name).name in refused(*arguments)


def test_a_profile_may_begin_with_a_byte_order_mark(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib.resources import files

    text = files("profiles").joinpath("devices", "local.toml").read_text(encoding="utf-8")
    (here / "device.toml").write_text(text, encoding="utf-8-sig")
    assert run(["profile", "check", "device.toml"]) == 0
    (here / "r.toml").write_text(HEAD + TEACHER + DATA + STAGE, encoding="utf-8-sig")
    assert run(["run", "r.toml", "--out", "out", "--dry-run"]) == 0


def test_names_with_controls_start_no_command(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((here / "teacher" / "config.json").read_text())
    names = {str(n): f"x\n::error::\x1b[2J{n}" for n in range(3)}
    config |= {"id2label": names, "label2id": {v: int(k) for k, v in names.items()}}
    (here / "teacher" / "config.json").write_text(json.dumps(config))
    (here / "teacher" / "artifact.json").unlink()
    gate = ["gate", "onnx", "--reference", "teacher", "--budget", "accuracy=0.1"]
    assert run([*gate, "--data", "test.csv"]) == 2
    assert run(["run", "::error::\x1b", "--out", "\n::error::"]) == 2
    said = capsys.readouterr()
    lines = [line.lstrip() for line in (said.out + said.err).splitlines()]
    assert not any(line.startswith("::") or "\x1b" in line for line in lines)

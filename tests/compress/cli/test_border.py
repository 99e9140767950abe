"""No output replaces an input, another output or a file of somebody else, in any command."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from compress.cli.main import edgepress, run
from compress.cli.paths import Input, Output, ProfileName, Text
from tests.compress.brief_tier import shorten
from tests.compress.cli.test_help import commands, context_of
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

FILES = {"--samples", "--junit", "--markdown", "--comment", "--out", "--html"}


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a `model`, rows, a baseline, a profile, samples and a recipe; stand beside them."""
    tiny_onnx(tmp_path / "model")
    shutil.copytree(tmp_path / "model", tmp_path / "other")
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 4)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    (tmp_path / "mine.toml").write_text('schema = 1\nname = "mine"\n')
    (tmp_path / "base.json").write_text('{"edgepress_baseline": 3}\n')
    (tmp_path / "s.jsonl").write_text('{"kind": "session", "id": "a"}\n')
    (tmp_path / "recipe.toml").write_text("schema = 1\n")
    (tmp_path / "notes.txt").write_text("a person's\n")
    (tmp_path / "linked.csv").symlink_to("rows.csv")
    os.link(tmp_path / "rows.csv", tmp_path / "hard.csv")
    os.link(tmp_path / "model" / "model.onnx", tmp_path / "hard.onnx")
    (tmp_path / "model-again").symlink_to("model")
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    yield tmp_path
    assert contents(tmp_path) == before, "a refused command left or changed a file"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


GATE = "gate model --data rows.csv --tier quick --budget artifact_mb=9"
OUTPUTS = [
    f"{GATE} --samples",
    f"{GATE} --junit",
    f"{GATE} --markdown",
    f"{GATE} --comment",
    "baseline save model --data rows.csv --tier quick --out",
    "validate model --reference other --data rows.csv --tier quick --samples",
    "sensitivity model --reference other --data rows.csv --html",
    "quantize model --train rows.csv --out",
    "bundle model --data rows.csv --out",
]
INPUTS = [
    "rows.csv",
    "./other/../rows.csv",
    "linked.csv",
    "hard.csv",
    "hard.onnx",
    "model/model.onnx",
    "model/new.json",
    "model-again/new.json",
]


@pytest.mark.parametrize("named", INPUTS)
@pytest.mark.parametrize("line", OUTPUTS)
def test_an_output_that_is_an_input_is_refused_at_once(
    ground: Path, capsys: pytest.CaptureFixture[str], line: str, named: str
) -> None:
    assert run([*line.split(), named, *(["--force"] if "--force" in options_of(line) else [])]) == 2
    said = capsys.readouterr().err
    assert "next:      choose another --" in said
    assert "latency" not in said


@pytest.mark.parametrize(
    "line",
    [
        f"{GATE} --reference other --junit other/gate.xml",
        f"{GATE} --baseline base.json --junit base.json",
        f"{GATE} --profile mine.toml --markdown mine.toml",
        f"{GATE} --junit both.xml --markdown ./both.xml",
        f"{GATE} --history model/history",
        "judge s.jsonl --budget artifact_mb=9 --junit s.jsonl --force",
        "run recipe.toml --out recipe.toml",
        "search recipe.toml --out recipe.toml",
        "init model --data rows.csv --out rows.csv --force",
        "import model/model.onnx --out model --tokenizer model",
        "import model --labels notes.txt --out notes.txt",
        "export model --out . --format openvino",
        "export model --out .. --format openvino",
        "compress model --data rows.csv --out model/small",
        "bundle model --out model/deploy",
    ],
)
def test_every_other_input_and_output_is_kept_too(
    ground: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert run(line.split()) == 2
    said = capsys.readouterr().err
    assert any(word in said for word in (": is ", ": lies inside ", ": lies around ")), said


@pytest.mark.parametrize("line", [line for line in OUTPUTS if "--force" in line or "gate" in line])
def test_a_file_of_somebody_else_is_replaced_by_force_alone(
    ground: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert run([*line.split(), "notes.txt"]) == 2
    said = capsys.readouterr().err
    assert "notes.txt: is there already, and edgepress did not write it" in said
    assert "--force to replace it" in said


@pytest.mark.parametrize("named", ["/dev/null", "/dev/stdout"])
def test_a_device_is_never_replaced(
    ground: Path, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    assert run([*GATE.split(), "--junit", named, "--force"]) == 2
    assert "not a regular file" in capsys.readouterr().err


def test_what_edgepress_wrote_is_replaced_and_what_it_did_not_write_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shorten(monkeypatch, processes=3, blocks=4)
    tiny_onnx(tmp_path / "model")
    rows = "".join(f"{text},{LABELS[i % 3]}\n" for i, text in enumerate(TEXTS * 4))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}")
    outputs = "--samples s.jsonl --junit g.xml --markdown g.md --comment c.md"
    names = ("s.jsonl", "g.xml", "g.md", "c.md")
    save = "baseline save model --data rows.csv --tier quick --out base.json -q"
    for _ in range(2):  # the second replaces what the first wrote
        assert run([*GATE.split(), *outputs.split(), "-q"]) == 0
        assert run(save.split()) == 0
    for name in names:
        (tmp_path / name).write_text("a person's\n")
    assert run([*GATE.split(), *outputs.split(), "-q"]) == 2
    assert run([*GATE.split(), *outputs.split(), "-q", "--force"]) == 0
    assert not any("person" in (tmp_path / name).read_text() for name in names)


def test_every_path_of_every_command_has_a_type_that_the_border_knows() -> None:
    """A raw click.Path, or an output without --force, would pass the border unseen."""
    known = (Input, Output, Text, ProfileName)
    for path in commands():
        command = context_of(path).command
        names = {name for param in command.params for name in param.opts}
        for param in command.params:
            where = f"{' '.join(path)} {param.opts}"
            assert not isinstance(param.type, click.Path) or isinstance(param.type, known), where
            named = {"FILE", "FOLDER", "PATH"} & {str(param.metavar)}
            assert not named or isinstance(param.type, known), where
            if FILES & set(param.opts) and "--unlabeled" not in param.opts:
                assert isinstance(param.type, Output), where
            if isinstance(param.type, Output) and not param.type.dir_okay:
                assert "--force" in names, where


def options_of(line: str) -> set[str]:
    words = line.split()
    group = edgepress.get_command(context_of([]), words[0])
    path = words[:2] if isinstance(group, click.Group) else words[:1]
    return {name for param in context_of(path).command.params for name in param.opts}

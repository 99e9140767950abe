"""No command sends anything, or writes below the home outside of edgepress's own cache."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from compress.cli.main import edgepress, run
from compress.package.contents import write_contents
from tests.compress.brief_tier import shorten
from tests.compress.release.test_signature import make_key
from tests.compress.searching import write_recipe
from tests.compress.traced import Traced, held, needs_strace, traced

HELD_S = 30.0
"""How long a process lives: telemetry is sent late, in batches."""
AT_ONCE = 12
SENDS = {
    "comment",
    "package build",
    "device setup",
    "device pack",
    "device emulate",
    "device clean",
    "serve",
}
"""What sends something by purpose: to a forge, to a device, to where packages are, to who asks.

Whom a server answers is traced in tests/compress/serving/test_server.py.
"""
TEXTS = ("refund please", "crash")
REQUESTS = (json.dumps({"do": "load", "row": "refund"}), json.dumps({"do": "peak"}))
"""Lines of stdin, the last of which comes after a while."""

COMMANDS: dict[str, str] = {
    "demo": "demo --out {out} --dry-run",
    "advise": "advise {g}/model --data {g}/train.csv --test {g}/test.csv --out {out}.toml",
    "init": "init {g}/model --data {g}/train.csv --test {g}/test.csv --out {out}.toml",
    "compress": "compress {g}/model --data {g}/train.csv --test {g}/test.csv --out {out} --time 1m"
    " --tier quick -q",
    "run": "run {g}/run.toml --out {out} --tier quick -q",
    "search": "search {g}/tiny.toml --out {out} --tier quick -q",
    "finetune": "finetune {g}/model --train {g}/train.csv {column} --out {out} --epochs 1",
    "distill": "distill {g}/model --train {g}/train.csv {column} --out {out} --layers 1"
    " --set epochs=1",
    "prune": "prune {g}/model --train {g}/train.csv {column} --out {out} --ffn 0.5",
    "linear": "linear {g}/model --train {g}/train.csv {column} --out {out} --augment 1",
    "bag": "bag {g}/model --train {g}/train.csv {column} --out {out} --epochs 1",
    "quantize": "quantize {g}/onnx --train {g}/train.csv {column} --out {out}",
    "quantize int4": "quantize {g}/onnx --train {g}/train.csv {column} --out {out}"
    " --scheme int4-weight-only",
    "quantize fp16": "quantize {g}/onnx --train {g}/train.csv {column} --out {out} --scheme fp16",
    "quantize openvino": "quantize {g}/openvino --train {g}/train.csv {column} --out {out}"
    " --scheme int8-static",
    "import": "import {g}/theirs --out {out}",
    "export": "export {g}/model --out {out}",
    "export openvino": "export {g}/model --out {out} --format openvino",
    "bundle": "bundle {g}/onnx --out {out} --data {g}/test.csv",
    "package verify": "package verify {g}/package",
    "sign": "sign {g}/bundle --key {g}/key.pem",
    "verify": "verify {g}/onnx",
    "card": "card {g}/onnx --bom {out}",
    "validate": "validate {g}/onnx --reference {g}/model --data {g}/test.csv {column} --tier quick",
    "gate": "gate {g}/openvino --data {g}/test.csv {column} --tier quick --history {out}"
    " --commit a --branch b --budget latency_p50_ms=1000",
    "judge": "judge {g}/samples.jsonl --budget latency_p50_ms=1000",
    "baseline save": "baseline save {g}/onnx --data {g}/test.csv {column} --tier quick --out {out}",
    "baseline show": "baseline show {g}/baseline.json",
    "baseline compare": "baseline compare {g}/baseline.json {g}/baseline.json",
    "history": "history {g}/history",
    "sensitivity": "sensitivity {g}/onnx --reference {g}/model --data {g}/test.csv {column}"
    " --rows 8",
    "budget explain": "budget explain latency_p90_ms {g}/onnx --data {g}/test.csv {column}",
    "budget explain cold": "budget explain cold_start_p50_ms {g}/onnx --data {g}/test.csv {column}",
    "budget estimate": "budget estimate {g}/onnx --profile rpi5",
    "budget suggest": "budget suggest {g}/onnx --data {g}/test.csv {column} --tier quick",
    "report": "report {g}/finished",
    "predict": "predict {g}/openvino refund",
    "doctor": "doctor",
    "profile list": "profile list",
    "profile show": "profile show rpi5",
    "profile probe": "profile probe",
    "profile check": "profile check local",
    "profile new": "profile new desk --from-probe",
    "device list": "device list",
    "device probe": "device probe local",
    "device run": "device run local {g}/onnx refund",
    "cache ls": "cache ls",
    "cache prune": "cache prune --older-than 0",
    "doctor noise": "doctor --noise --seconds 20",
}
"""A command line for every command; the first words of the name are the command's.

Those that train come first; the last one fails on a machine that is too busy.
"""


class Case(NamedTuple):
    """Name a process to trace, with its command line and the lines of its stdin."""

    name: str
    command: list[str]
    lines: Sequence[str] = ()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a teacher, its rows and recipes, its exports and a bundle."""
    folder = tmp_path_factory.mktemp("deployed")
    recipe = write_recipe(folder)
    stages = '[[stage]]\nkind = "distill"\nlayers = 1\nepochs = 1\n[[stage]]\nkind = "quantize"\n'
    text = recipe.read_text().partition("[target]")[0] + stages
    (folder / "run.toml").write_text(text)
    for name in ("onnx", "openvino"):
        arguments = ["--out", str(folder / name), "--format", name, "-q"]
        assert run(["export", str(folder / "model"), *arguments]) == 0
    assert run(["bundle", str(folder / "onnx"), "--out", str(folder / "bundle")]) == 0
    (folder / "package").mkdir()
    write_contents(folder / "package", {})
    make_key(folder, "key")
    return folder


@pytest.fixture(scope="module")
def measured(deployed: Path) -> Path:
    """Add what the commands read that look back: samples, a baseline, a history, a run."""
    shutil.copytree(deployed / "model", deployed / "theirs")
    shutil.copyfile(deployed / "onnx" / "model.onnx", deployed / "theirs" / "model.onnx")
    (deployed / "theirs" / "model.safetensors").unlink()
    rows = ["--data", str(deployed / "test.csv"), "--label", "class", "--tier", "quick", "-q"]
    history = ["--history", str(deployed / "history"), "--commit", "a", "--branch", "b"]
    kept = ["--samples", str(deployed / "samples.jsonl"), *history]
    budget = ["--budget", "latency_p50_ms=1000"]
    finished = ["--out", str(deployed / "finished"), "--tier", "quick", "-q"]
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch, processes=6, blocks=4)
        assert run(["gate", str(deployed / "onnx"), *rows, *kept, *budget]) in (0, 1, 3)
        assert run(["run", str(deployed / "run.toml"), *finished]) in (0, 1, 3)
    stored = ["--out", str(deployed / "baseline.json")]
    assert run(["baseline", "save", str(deployed / "onnx"), *rows, *stored]) == 0
    return deployed


def _talks(folder: Path) -> list[Case]:
    onnx, worker = str(folder / "onnx"), [sys.executable, "-P", "-m", "runtimes.serve"]
    bundled = folder / "bundle" / "predict.py"
    return [
        Case("predict of lines", held(0, "predict", onnx, "-"), TEXTS),
        Case("bundle of lines", [sys.executable, str(bundled), "-"], TEXTS),
        Case("worker", [*worker, "--model", onnx], REQUESTS),
    ]


def _commands(folder: Path, out: Path, seconds: float) -> Iterator[Case]:
    for name, line in COMMANDS.items():
        place = out / f"{name}-out"
        words = [
            word.format(g=folder, out=place)
            for word in line.replace("{column}", "--label class").split()
        ]
        yield Case(name, held(seconds, *words))


def _trace(cases: Sequence[Case], out: Path, seconds: float, at_once: int) -> dict[str, Traced]:
    def one(case: Case) -> Traced:
        return traced(case.command, out / case.name, case.lines, seconds)

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip((case.name for case in cases), pool.map(one, cases), strict=True))


def _check(done: dict[str, Traced]) -> None:
    wrong: dict[str, Any] = {
        name: (one.sent, one.written) for name, one in done.items() if one.sent or one.written
    }
    assert wrong == {}
    failed = {name: one.said[-800:] for name, one in done.items() if one.code not in (0, 1, 3)}
    assert failed == {}


def test_what_answers_for_seconds_sends_nothing(deployed: Path, tmp_path: Path) -> None:
    needs_strace()
    _check(_trace(_talks(deployed), tmp_path, 4.0, AT_ONCE))


@pytest.mark.slow
def test_no_command_sends_anything_however_long_it_lives(measured: Path, tmp_path: Path) -> None:
    needs_strace()
    (tmp_path / "made").mkdir()
    cases = [*_talks(measured), *_commands(measured, tmp_path / "made", HELD_S)]
    _check(_trace(cases, tmp_path, HELD_S, AT_ONCE))


@pytest.mark.parametrize(
    "code",
    [
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('192.0.2.1', 9))",
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('192.0.2.1', 9))",
        "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.sendto(b'', ('::1', 9))",
    ],
)
def test_the_trace_sees_an_attempt_of_any_process_of_the_command(tmp_path: Path, code: str) -> None:
    needs_strace()
    child = f"import socket\ntry: {code}\nexcept OSError: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert traced([sys.executable, "-c", parent], tmp_path).sent


def test_the_trace_sees_what_is_written_below_the_home(tmp_path: Path) -> None:
    needs_strace()
    code = (
        "from pathlib import Path; h = Path.home() / '.cache'; (h / 'edgepress').mkdir(parents=1);"
        "(h / 'deviceid').write_text('1'); (h / 'edgepress' / 'a').write_text('')"
    )
    assert traced([sys.executable, "-c", code], tmp_path).written == (".cache/deviceid",)


def test_every_command_is_traced() -> None:
    first = {name for command in COMMANDS for name in (command, command.split()[0])}
    assert {name for name in _leaves(edgepress, ()) if name not in first} == SENDS


def _leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _leaves(inner, (*path, name))

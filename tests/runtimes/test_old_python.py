"""A board's own Python, 3.9 or newer, runs the worker."""

from __future__ import annotations

import ast
import functools
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import vermin

import runtimes
from runtimes.predict import open_predictor
from runtimes.process import HostProcess
from runtimes.worker import Worker, arguments_of, command_of, decoded, environment_of
from tests.runtimes.tiny import TEXTS, tiny_onnx

CODE = Path(runtimes.__file__).parent
OLDEST = (3, 9)
_NEEDED = "import sys, numpy, onnxruntime, tokenizers; print(*sys.version_info[:2])"


def _vermin() -> vermin.Config:
    config = vermin.Config()
    config.add_exclusion("tomllib")  # profiles and recipes are read on the host alone
    return config


class _WhatRuns(ast.NodeTransformer):
    """Leave out what only type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        node.annotation = ast.Constant("not evaluated")
        return node


def _needs(file: Path) -> tuple[int, int]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if "from __future__ import annotations" in map(ast.unparse, tree.body):
        tree = ast.fix_missing_locations(_WhatRuns().visit(tree))
    _, found = vermin.detect(ast.unparse(tree), config=_vermin())
    return max(found or (0, 0), (3, 10) if any(map(_joins_types, ast.walk(tree))) else (0, 0))


def _joins_types(node: ast.AST) -> bool:
    """Tell whether a node is `int | None`: vermin also takes flags of the os module for types."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)):
        return False
    sides = {ast.unparse(side) for side in (node.left, node.right)}
    return not sides.isdisjoint({"None", "bool", "bytes", "dict", "float", "int", "list", "str"})


@pytest.mark.parametrize("file", sorted(CODE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_for_a_device_needs_a_newer_python(file: Path) -> None:
    assert _needs(file) <= OLDEST


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ("from dataclasses import dataclass\n@dataclass(slots=True)\nclass A: pass", (3, 10)),
        ("zip(a, b, strict=True)", (3, 10)),
        ("isinstance(a, int | str)", (3, 10)),
        ("def f(a: int | None): pass", (3, 10)),
        ("from __future__ import annotations\ndef f(a): return isinstance(a, int | str)", (3, 10)),
        ("from typing import Self", (3, 11)),
        ("match a:\n    case 1: pass", (3, 10)),
    ],
)
def test_what_is_too_new_is_found(source: str, needed: tuple[int, int], tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(source, encoding="utf-8")
    assert _needs(file) == needed


@functools.cache
def _old_python() -> str:
    """Return an interpreter older than edgepress needs itself, with the worker's packages."""
    named = os.environ.get("EDGEPRESS_OLD_PYTHON")
    for name in [named] if named else ["python3.9", "python3.10"]:
        python = shutil.which(name)
        if python is None:
            continue
        said = subprocess.run(  # the variable would bring this interpreter's own packages along
            [python, "-c", _NEEDED], env=_without_paths(), capture_output=True, text=True
        )
        if said.returncode == 0 and OLDEST <= tuple(map(int, said.stdout.split())) < (3, 11):
            return python
    pytest.skip("needs Python 3.9 or 3.10 with numpy, onnxruntime and tokenizers")


def _without_paths() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_an_old_python_answers_as_this_one_does(tmp_path: Path) -> None:
    python = _old_python()
    folder = tiny_onnx(tmp_path).path
    model = open_predictor(folder)
    command = [*command_of([python]), *arguments_of(str(folder), "onnxruntime", 1)]
    env = {**_without_paths(), **environment_of(1, str(CODE.parent))}
    with Worker(HostProcess(command, env), "old python") as worker:
        assert worker.ask("load", 60, row=TEXTS[0])["python"].startswith(("3.9", "3.10"))
        answers = worker.ask("answers", 60, rows=list(TEXTS))["answers"]
        for text, answer in zip(TEXTS, answers, strict=True):
            np.testing.assert_allclose(decoded(answer), model.answer(text), rtol=1e-5, atol=1e-6)
        worker.ask("rows", 60, rows=list(TEXTS))
        assert worker.ask("warm", 60, runs=3, seconds=0.01, limit_s=0.1)["medians_ms"]
        assert len(worker.ask("run", 60, rows=[0, 1])["latency_ms"]) == 2
        assert worker.ask("idle", 60, rows=[0], gap_ms=1)["latency_ms"]
        assert worker.ask("throughput", 60, batch=2, concurrency=2, seconds=0.05, rows=[0, 1])
        arrivals = {"per_s": 50, "seconds": 0.2, "settling_s": 0.05, "seed": "7", "rows": [0, 1]}
        assert "latency_ms" in worker.ask("arrivals", 60, **arrivals)
        assert worker.ask("peak", 60)["rss_peak_mb"] > 10
        assert worker.ask("facts", 60)["python"].startswith("3.")
        assert worker.ask("activity", 60, seconds=0.1)
        assert worker.ask("forget", 60).keys() == {"why"}
        assert worker.ask("memory", 60, rows=list(TEXTS))["steps"]

"""Bundles of every kind are packaged, answer as before, and refuse wrong input; or are refused."""

from __future__ import annotations

import ast
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

import compress.package
from compress.cli.main import run
from compress.device.wheels import Wheel
from compress.package.build import Order, build_package
from compress.package.check import ROWS, check_function
from compress.package.contents import verify_package, write_contents
from compress.package.folder import CODE, missing_code, runtime_of
from compress.package.interpreter import Interpreter
from compress.package.layout import Material
from compress.package.targets import target_of
from compress.progress import Silence
from compress.run.bundle import bundle as write_bundle
from runtimes.artifact import open_artifact, write_like
from runtimes.errors import UnknownNameError
from runtimes.tasks import TASKS
from tests.compress.package.older import older
from tests.runtimes.contract_device_task import askable, contract_of
from tests.runtimes.tiny import TEXTS, tiny_linear, tiny_onnx

THIRD_PARTY = Path(__file__).parents[2] / "third_party"
KINDS = (*TASKS.names(), "linear", "without tables", "a third party's task")
WHEEL = Wheel("sample", "1.0", "sample-1.0-py3-none-any.whl", "0" * 64, None)

WRONG = {
    "no text": 400,
    "[1]": 400,
    "{}": 400,
    '{"text": 7}': 400,
    '{"text": ""}': 400,
    '{"text": "a\\u0000"}': 400,
    '{"text": "\\ud800"}': 422,
    '{"text": "my card", "top": -1}': 400,
    json.dumps({"text": "a" * 60_000}): 413,
}
_PROGRAM = """
import contextlib, json, sys
sys.path[:0] = sys.argv[1:]
with contextlib.redirect_stdout(sys.stderr):
    from handler import handler
    def asked(body):
        http = {"method": "POST"}
        return handler({"rawPath": "/", "requestContext": {"http": http}, "body": body}, None)
    replies = [[reply["statusCode"], reply["body"]] for reply in map(asked, json.load(sys.stdin))]
print(json.dumps(replies))
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install the package of a third party's task."""
    folder = tmp_path / "acme"
    described = folder / "acme-1.0.dist-info"
    described.mkdir(parents=True)
    for module in THIRD_PARTY.glob("acme_*.py"):
        shutil.copyfile(module, folder / module.name)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    rows = {
        "edgepress.tasks": "acme-tags = acme_task:Tags",
        "edgepress.device_tasks": "acme-tags = acme_device_task:Tags",
    }
    text = "".join(f"[{group}]\n{row}\n" for group, row in rows.items())
    (described / "entry_points.txt").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def _bundled(kind: str, folder: Path) -> Path:
    """Write the bundle of a tiny model of a kind."""
    source = folder / "source"
    match kind:
        case "linear":
            tiny_linear(source)
        case "without tables":
            tiny_onnx(source)
        case "a third party's task":
            write_like(dataclasses.replace(tiny_onnx(source), task="acme-tags"), source)
        case _:
            contract_of(kind).make(source)
    write_bundle(source, folder / "bundle")
    if kind == "without tables":
        return older(folder / "bundle", folder / "older", "tokenizer.table")
    return folder / "bundle"


def _asked(folders: list[Path], bodies: list[str]) -> list[Any]:
    """Return the statuses and the bodies of the replies to bodies of requests."""
    words = [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, *map(str, folders)]
    sent = json.dumps(bodies)
    done = subprocess.run(words, input=sent, capture_output=True, text=True, check=True, env={})
    replies: list[Any] = json.loads(done.stdout)
    return replies


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("kind", KINDS)
def test_a_package_of_each_kind_is_whole_and_answers(
    kind: str, site: Path, packages: Path, here: Interpreter, tmp_path: Path
) -> None:
    bundle = _bundled(kind, tmp_path)
    for name in ("numpy", "numpy.libs"):  # of the runtime that older bundles have
        if (there := Path(numpy.__file__).parents[1] / name).exists():
            (packages / name).symlink_to(there)
    target = target_of("zip")
    material = Material(
        *(target, target.pythons[0], open_artifact(bundle), site, [WHEEL], here), scratch=tmp_path
    )
    out = tmp_path / "out"
    out.mkdir()
    laid = target.opened().write(material, out)
    write_contents(out, {"archives": dict(laid.archives), "image": ""})
    assert verify_package(out)["files"]
    used = dataclasses.replace(laid, paths=(*laid.paths, packages))
    assert check_function(used, bundle, (*TEXTS, *ROWS), here).rows == len(TEXTS) + len(ROWS)
    asked = askable(contract_of(kind).rows)[0] if kind in TASKS.names() else TEXTS[0]
    right = json.dumps(asked if isinstance(asked, dict) else {"text": asked})
    replies = _asked([*used.paths], [body for wrong in WRONG for body in (wrong, right)])
    assert [status for status, _ in replies] == [
        status for wrong in WRONG.values() for status in (wrong, 200)
    ]
    assert all(set(json.loads(body)) == {"error"} for status, body in replies if status != 200)
    assert len({body for status, body in replies if status == 200}) == 1


@pytest.mark.usefixtures("acme")
def test_a_task_that_is_not_installed_is_refused_before_any_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = _bundled("a third party's task", tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if not one.endswith("/acme")])
    with pytest.raises(UnknownNameError, match=r"acme-tags(.|\n)*install the package"):
        build_package(Order(bundle, target_of("zip")), tmp_path / "out", Silence())
    assert not (tmp_path / "out").exists()


def test_an_older_bundle_is_packaged_once_its_code_is_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = older(_bundled("linear", tmp_path), tmp_path / "older", "runtimes/lean_*")
    words = ["package", str(bundle), "--target", "zip", "-q", "--out", str(tmp_path / "out")]
    assert run(words) == 2
    said = capsys.readouterr().err
    assert "it has no runtimes/lean_json.py, runtimes/lean_typing.py" in said
    assert f"edgepress bundle {bundle} --out bundle" in said
    assert run(["bundle", str(bundle), "--out", str(tmp_path / "again")]) == 0
    assert run(["package", str(tmp_path / "again"), *words[2:]]) == 0
    assert run(["package", "verify", str(tmp_path / "out")]) == 0


def test_all_that_a_package_imports_of_its_bundle_is_asked_for(tiny_bundle: Path) -> None:
    imported = set()
    for name in ("function", "function_app", "installed", "lambda_client", "server"):
        source = Path(compress.package.__path__[0], f"{name}.py").read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("runtimes."):
                imported.add((node.module or "").partition(".")[2])
    assert imported == set(CODE)
    assert missing_code(tiny_bundle) == []
    assert runtime_of(tiny_bundle) == "onnxruntime-c"

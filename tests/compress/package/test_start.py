"""A package's start imports nothing that its first answer does not need."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from compress.models.token_table import write_table
from compress.package.folder import add_function
from compress.progress import Silence
from compress.run.bundle import bundle as write_bundle
from runtimes.artifact import read_artifact
from runtimes.contents import list_files
from runtimes.listed import files_to_json
from runtimes.manifest import read_content, write_content
from runtimes.onnx_c_api import find_library
from tests.runtimes.tiny import tiny_linear, tiny_onnx

_SLOW = (
    *("numpy", "tokenizers", "onnxruntime", "pathlib", "typing", "json", "re", "enum", "functools"),
    *("collections", "contextlib", "threading", "dataclasses", "importlib", "hashlib", "inspect"),
    *("socket", "subprocess", "logging", "urllib", "http", "array", "runtimes.files"),
    *("runtimes.words", "runtimes.contents", "runtimes.openvino_runtime", "runtimes.onnx_runtime"),
)
_START = """
import sys
sys.path[:0] = [sys.argv[1]]
import handler
reply = handler.handler({"text": "my card is lost"}, None)
assert reply["statusCode"] == 200, reply
seen = sorted(set(sys.modules) & set(sys.argv[2].split()))
import dataclasses
import json
print(json.dumps(seen))
"""


def _imported(function: Path, program: str = _START) -> list[str]:
    command = [sys.executable, "-I", "-S", "-c", program, str(function), " ".join(_SLOW)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _function(folder: Path) -> Path:
    """Make the function's folder of the model in a folder."""
    write_bundle(folder / "model", folder / "bundle")
    (folder / "function").mkdir()
    add_function(read_artifact(folder / "bundle"), folder / "function")
    return folder / "function"


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the function's folder of a linear model."""
    folder = tmp_path_factory.mktemp("linear")
    tiny_linear(folder / "model")
    return _function(folder)


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the function's folder of an ONNX model whose tokenizer has a table."""
    folder = tmp_path_factory.mktemp("transformer")
    made = tiny_onnx(folder / "model")
    assert write_table(made.path, made.max_length, Silence())
    listed = dataclasses.replace(made, files=list_files(made.path))
    content = {**read_content(made.path), "files": files_to_json(listed.files)}
    write_content(made.path, {**content, "digest": listed.digest})
    function = _function(folder)
    library = find_library()
    assert library is not None
    for name in ("onnxruntime", "tokenizers"):
        (function / name).symlink_to(Path(library).parents[2] / name)
    return function


def test_a_model_of_onnx_runtime_starts_without_slow_modules(transformer: Path) -> None:
    assert _imported(transformer) == []


def test_a_linear_model_starts_without_slow_modules_and_without_ctypes(linear: Path) -> None:
    assert _imported(linear, _START.replace("sys.argv[2]", "(sys.argv[2] + ' ctypes')")) == []


def test_our_client_of_the_runtime_api_adds_none(linear: Path) -> None:
    assert (
        _imported(linear, _START.replace("import handler", "import lambda_client, handler")) == []
    )

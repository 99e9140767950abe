"""The library: a light and silent import, the examples of its page, and types that checkers see."""

from __future__ import annotations

import ast
import doctest
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import edgepress
from tests.compress.brief_tier import shorten
from tests.compress.exported import exported
from tests.compress.searching import write_recipe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
LIGHT = {
    *("compress", "compress.environment", "edgepress", "runtimes", "runtimes.errors"),
    "runtimes.lean_typing",
}


def _run(code: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return done.stdout


def test_the_import_loads_nothing_heavy() -> None:
    code = "import sys, json; import edgepress; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(_run(code)))
    own = {
        name for name in loaded if name.partition(".")[0] in ("compress", "profiles", "runtimes")
    }
    assert own | {"edgepress"} == LIGHT
    assert not loaded & {"numpy", "pydantic", "click", "rich", "torch", "onnxruntime", "scipy"}


@pytest.mark.alone
def test_the_import_costs_less_than_python_s_own_start() -> None:
    def fastest(code: str) -> float:
        seconds = []
        for _ in range(7):
            begun = time.perf_counter()
            _run(code)
            seconds.append(time.perf_counter() - begun)
        return min(seconds)

    assert fastest("import edgepress") < 2 * fastest("pass")


def test_the_import_switches_telemetry_off_whatever_is_set() -> None:
    code = (
        "import os; os.environ['HF_HUB_DISABLE_TELEMETRY'] = '0'; import edgepress;"
        "print(os.environ['HF_HUB_DISABLE_TELEMETRY'], os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    assert _run(code).split() == ["1", "1"]


def test_what_is_promised_is_there_and_documented() -> None:
    for name in edgepress.__all__:
        assert getattr(edgepress, name).__doc__, name
    shown = PAGE + (ROOT / "edgepress.py").read_text()
    assert all(f"{name}" in shown for name in edgepress.__all__)
    assert edgepress.__version__
    with pytest.raises(AttributeError, match="nothing"):
        edgepress.nothing  # noqa: B018


def test_the_errors_are_the_project_s() -> None:
    from runtimes import errors

    kinds = [name for name, kind in vars(errors).items() if isinstance(kind, type)]
    assert {name for name in kinds if name.endswith("Error")} <= set(edgepress.__all__)


def test_nothing_below_imports_the_library() -> None:
    for package in ("compress", "profiles", "runtimes"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    assert "edgepress" not in [alias.name for alias in node.names], file
                assert not isinstance(node, ast.ImportFrom) or node.module != "edgepress", file


def test_type_checkers_read_the_module_itself() -> None:
    stub = ROOT / "edgepress-stubs" / "__init__.pyi"
    assert stub.read_text(encoding="utf-8") == (ROOT / "edgepress.py").read_text(encoding="utf-8")


def test_the_docstrings_examples_hold() -> None:
    assert doctest.testmod(edgepress).failed == 0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a trained teacher and its rows; tests only read them."""
    folder = tmp_path_factory.mktemp("inputs")
    write_recipe(folder)
    return folder


@pytest.fixture
def place(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder as the page's examples name it: teacher, rows, recipe and a model."""
    for split in ("train", "validation", "test"):
        (tmp_path / "data").mkdir(exist_ok=True)
        text = (inputs / f"{split}.csv").read_text().replace("text,class", "text,label", 1)
        (tmp_path / "data" / f"{split}.csv").write_text(text)
    shutil.copytree(inputs / "model", tmp_path / "models" / "teacher")
    (tmp_path / "recipe.toml").write_text(
        'schema = 1\nname = "one"\n[teacher]\npath = "models/teacher"\n[data]\nfolder = "data"\n'
        'train = "train.csv"\ntest = "test.csv"\n[[stage]]\nkind = "quantize"\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


TRAINS = re.compile(r"compress\(|\.run\(|validate\(")
"""What trains, or exports a teacher."""
TIMES = re.compile(r"gate\(|measure\(")


def _run_examples(examples: list[str], **changes: str) -> dict[str, Any]:
    """Run examples as one program, with other texts in them, and return its variables."""
    namespace: dict[str, Any] = {"Recipe": edgepress.Recipe}
    for example in examples:
        for old, new in changes.items():
            assert any(old in other for other in examples)
            example = example.replace(old, new)
        exec(example, namespace)
    return namespace


def test_the_page_s_examples_run(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(exported("onnx").path, place / "runs" / "small" / "bundle")
    _run_examples([code for code in BLOCKS if not TRAINS.search(code) and not TIMES.search(code)])
    shown = capsys.readouterr()
    assert "Recipe('int8', quantize)" in shown.out
    assert "'score'" in shown.out
    assert shown.err == ""


def test_the_page_s_examples_that_time_a_model_run(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    for name in ("small", "before"):
        shutil.copytree(exported("onnx").path, place / "runs" / name / "bundle")
    _run_examples(list(filter(TIMES.search, BLOCKS)))
    shown = capsys.readouterr()
    assert "artifact_mb PASS" in shown.out
    assert shown.err == ""


@pytest.mark.slow
def test_the_page_s_examples_that_make_a_model_run(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = _run_examples(
        list(filter(TRAINS.search, BLOCKS)),
        **{"retention=0.98": "retention=0.9, tier='quick'"},
    )
    assert capsys.readouterr().err == ""
    assert names["result"].folder == Path("runs/by-recipe")
    assert names["model"].predict("my refund")["label"] in ("a", "b", "c")
    assert (place / "runs" / "small" / "recipe.toml").is_file()


def test_an_empty_text_is_refused() -> None:
    model = edgepress.load(exported("onnx").path)
    assert model.predict([]) == []
    for wrong in (" ", ["a card", ""], [None]):
        with pytest.raises(edgepress.DataError, match="expected"):
            model.predict(wrong)  # type: ignore[arg-type]
    assert repr(model).endswith("text-classification, 3 labels)")


def test_one_profile_may_be_named_alone() -> None:
    assert edgepress._names("local") == ("local",)
    assert edgepress._names(["local", "rpi5"]) == ("local", "rpi5")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"retention": 1.5}, "retention"), ({"minutes": 0}, "minutes"), ({"tier": "all"}, "quick")],
)
def test_what_no_option_would_take_is_an_error_of_the_library(
    place: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(edgepress.InputError, match=said):
        edgepress.compress("models/teacher", data="data/train.csv", out="runs/x", **wrong)
    assert not Path("runs/x").exists()
    with pytest.raises(edgepress.InputError, match="quick"):
        edgepress.measure(exported("onnx").path, data="data/test.csv", tier="all")

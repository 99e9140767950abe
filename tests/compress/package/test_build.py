"""A package is whole or not there; built twice it has the same bytes."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.device.wheels import Wheel
from compress.package.build import Order, build_package, make_package
from compress.package.contents import verify_package
from compress.package.interpreter import Interpreter
from compress.package.layout import Material
from compress.package.targets import Target, python_for, target_of
from compress.progress import Silence
from compress.run.bundle import bundle as write_bundle
from runtimes.artifact import read_artifact
from runtimes.errors import ArtifactError, EdgepressError, InputError, UnsupportedError
from tests.absent import needs
from tests.compress.package.older import older
from tests.runtimes.tiny import tiny_linear

WHEEL = Wheel("sample", "1.0", "sample-1.0-py3-none-any.whl", "0" * 64, None)
UNKNOWN = Interpreter(why_not="no Python of this test")


def _made(bundle: Path, site: Path, out: Path, target: Target) -> dict[str, Any]:
    material = Material(
        *(target, python_for(target, None), read_artifact(bundle), site, [WHEEL], UNKNOWN),
        scratch=site.parent,
    )
    made = make_package(Order(bundle, target), material, out, Silence())
    return made.content


def test_a_package_holds_what_its_manifest_lists(
    tiny_bundle: Path, site: Path, tmp_path: Path
) -> None:
    needs("cyclonedx")
    out = tmp_path / "out"
    content = _made(tiny_bundle, site, out, target_of("lambda-arm64"))
    assert verify_package(out) == content
    with zipfile.ZipFile(out / "function.zip") as archive:
        names = set(archive.namelist())
    assert {f"function/{name}" for name in names} | {
        "function.zip",
        "template.yaml",
        "requirements.txt",
        "bom.json",
    } == set(content["files"])
    assert {"handler.py", "bundle/model.onnx", "bundle/artifact.json"} <= names
    assert "sample/tests/test_it.py" not in names
    assert content["bundle_digest"] == read_artifact(tiny_bundle).digest
    assert content["checked"]["why_not"] == UNKNOWN.why_not
    (licence,) = content["licences"]
    assert licence["files"] == ["sample-1.0.dist-info/licenses/include/LICENSE"]
    assert "licenses/Apache-2.0.txt" in names


@pytest.mark.parametrize("limit", ["zip", "unzipped"])
def test_a_package_over_a_limit_is_not_written(
    tiny_bundle: Path, site: Path, tmp_path: Path, limit: str
) -> None:
    small = dataclasses.replace(target_of("lambda-x86"), limits={limit: 1_000})
    with pytest.raises(InputError, match=r"the package is(.|\n)*--layer"):
        _made(tiny_bundle, site, tmp_path / "new/out", small)
    assert not (tmp_path / "new").exists()


def test_a_wheel_without_a_licence_is_refused(
    tiny_bundle: Path, site: Path, tmp_path: Path
) -> None:
    (site / "sample-1.0.dist-info/licenses/include/LICENSE").unlink()
    with pytest.raises(InputError, match="BSD-3-Clause"):
        _made(tiny_bundle, site, tmp_path / "out", target_of("zip"))
    assert not (tmp_path / "out").exists()


def _wrong(kind: str, bundle: Path, folder: Path) -> tuple[Order, type[EdgepressError]]:
    target = target_of("lambda-x86")
    match kind:
        case "an artifact":
            return Order(bundle.with_name("onnx"), target), ArtifactError
        case "an older bundle":
            return Order(older(bundle, folder / "older", "runtimes/lean_*"), target), ArtifactError
        case "another Python":
            return Order(bundle, target, python="3.11"), UnsupportedError
        case "a full folder":
            (folder / "out").mkdir()
            (folder / "out" / "mine.txt").write_text("mine")
            return Order(bundle, target), InputError
        case _:
            return Order(folder, target), ArtifactError


@pytest.mark.parametrize(
    "kind", ["an artifact", "an older bundle", "another Python", "a full folder", "no bundle"]
)
def test_bad_input_is_refused_before_any_download(
    tiny_bundle: Path, tmp_path: Path, kind: str
) -> None:
    order, error = _wrong(kind, tiny_bundle, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match="older edgepress" if kind == "an older bundle" else None):
        build_package(order, tmp_path / "out", Silence())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        ("--target", "zip"),
        ("--target", "lambda-x86", "--layer"),
        ("--target", "cloudrun"),
        ("--target", "wheel", "--name", "tiny"),
    ],
)
def test_a_bundle_that_needs_no_package_is_packaged_without_a_download(
    tmp_path: Path,
    words: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    tiny_linear(tmp_path / "linear")
    write_bundle(tmp_path / "linear", tmp_path / "bundle")
    arguments = [str(tmp_path / "bundle"), *words, "--out", str(tmp_path / "out"), "-q", "--json"]
    assert run(["package", *arguments]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["wheels"], said["licences"]) == ([], [])
    assert said["checked"]["rows"] > 0 or said["checked"]["why_not"]
    assert run(["package", "verify", str(tmp_path / "out")]) == 0


def test_an_option_that_a_target_has_no_use_for_is_refused(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tiny_bundle), "--target", "zip", "--layer", "--out", str(tmp_path / "out")]
    assert run(["package", *words]) == 2
    assert "--layer: zip has no use for it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_real_package_is_built_twice_alike_and_answers(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text\n" + "the app crashed\nmy card is lost\n" * 60)
    said = []
    for name in ("one", "two"):
        words = [str(tiny_bundle), "--target", "zip", "--out", str(tmp_path / name)]
        assert run(["package", *words, "--data", str(rows), "--json", "-q"]) == 0
        said.append(json.loads(capsys.readouterr().out))
        assert run(["package", "verify", str(tmp_path / name), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["digest"] == said[-1]["manifest_digest"]
    zips = [(tmp_path / name / "function.zip").read_bytes() for name in ("one", "two")]
    assert zips[0] == zips[1]
    assert said[0]["checked"]["rows"] == 120
    assert said[0]["compiled"]
    assert {row["name"] for row in said[0]["licences"]} == {"onnxruntime", "tokenizers"}
    assert said[0]["runtime"] == "onnxruntime-c"
    function = tmp_path / "one/function"
    assert not list(function.glob("*/tests")) + list(function.glob("onnxruntime/transformers"))
    assert list(function.glob("onnxruntime/capi/libonnxruntime.so.*"))
    assert not list(function.glob("onnxruntime/**/*.py")) + list(function.glob("numpy*"))
    assert list((function / "bundle/runtimes/__pycache__").glob("*.pyc"))

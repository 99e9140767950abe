"""A package is whole or not there; built twice it has the same bytes."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from compress.cli.main import run
from compress.device.wheels import Wheel
from compress.package.build import Order, build_package, make_package
from compress.package.contents import verify_package
from compress.package.interpreter import Interpreter
from compress.package.targets import Target, python_for, targets
from compress.package.template import sam_template
from compress.progress import Silence
from runtimes.artifact import read_artifact
from runtimes.errors import ArtifactError, EdgepressError, InputError, UnsupportedError

WHEEL = Wheel("numpy", "1.0", "numpy-1.0-py3-none-any.whl", "0" * 64, None)
UNKNOWN = Interpreter(why_not="no Python of this test")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Unpack a wheel of one module, with tests and a licence."""
    described = tmp_path / "site/numpy-1.0.dist-info"
    for folder in (described / "licenses/include", tmp_path / "site/numpy/tests"):
        folder.mkdir(parents=True)
    (described / "METADATA").write_text("Name: numpy\nLicense-Expression: BSD-3-Clause\n")
    (described / "licenses/include/LICENSE").write_text("text")
    (tmp_path / "site/numpy/__init__.py").write_text("")
    (tmp_path / "site/numpy/tests/test_it.py").write_text("")
    return tmp_path / "site"


def _made(bundle: Path, site: Path, out: Path, target: Target) -> dict[str, Any]:
    order = Order(bundle, target)
    made = make_package(order, read_artifact(bundle), [WHEEL], site, UNKNOWN, out, Silence())
    return made.content


def test_a_package_holds_what_its_manifest_lists(
    tiny_bundle: Path, site: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    content = _made(tiny_bundle, site, out, targets()["lambda-arm64"])
    assert verify_package(out) == content
    with zipfile.ZipFile(out / "function.zip") as archive:
        names = set(archive.namelist())
    assert {f"function/{name}" for name in names} | {"function.zip", "template.yaml"} == set(
        content["files"]
    )
    assert {"handler.py", "bundle/model.onnx", "bundle/artifact.json"} <= names
    assert "numpy/tests/test_it.py" not in names
    assert content["bundle_digest"] == read_artifact(tiny_bundle).digest
    assert content["checked"]["why_not"] == UNKNOWN.why_not
    (licence,) = content["licences"]
    assert licence["files"] == ["numpy-1.0.dist-info/licenses/include/LICENSE"]
    assert "licenses/Apache-2.0.txt" in names


@pytest.mark.parametrize("limit", ["zip_limit_bytes", "unzipped_limit_bytes"])
def test_a_package_over_a_limit_is_not_written(
    tiny_bundle: Path, site: Path, tmp_path: Path, limit: str
) -> None:
    changed: dict[str, Any] = {limit: 1_000}
    small = dataclasses.replace(targets()["lambda-x86"], **changed)
    with pytest.raises(InputError, match="the package is"):
        _made(tiny_bundle, site, tmp_path / "new/out", small)
    assert not (tmp_path / "new").exists()


def test_a_wheel_without_a_licence_is_refused(
    tiny_bundle: Path, site: Path, tmp_path: Path
) -> None:
    (site / "numpy-1.0.dist-info/licenses/include/LICENSE").unlink()
    with pytest.raises(InputError, match="BSD-3-Clause"):
        _made(tiny_bundle, site, tmp_path / "out", targets()["zip"])
    assert not (tmp_path / "out").exists()


def _wrong(kind: str, bundle: Path, folder: Path) -> tuple[Order, type[EdgepressError]]:
    target = targets()["lambda-x86"]
    match kind:
        case "an artifact":
            return Order(bundle.with_name("onnx"), target), ArtifactError
        case "another Python":
            return Order(bundle, target, python="3.11"), UnsupportedError
        case "a full folder":
            (folder / "out").mkdir()
            (folder / "out" / "mine.txt").write_text("mine")
            return Order(bundle, target), InputError
        case _:
            return Order(folder, target), ArtifactError


@pytest.mark.parametrize("kind", ["an artifact", "another Python", "a full folder", "no bundle"])
def test_bad_input_is_refused_before_any_download(
    tiny_bundle: Path, tmp_path: Path, kind: str
) -> None:
    order, error = _wrong(kind, tiny_bundle, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error):
        build_package(order, tmp_path / "out", Silence())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["lambda-x86", "lambda-arm64"])
def test_the_template_names_what_the_target_is(name: str) -> None:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
        """Read CloudFormation's own tags as their text."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: node.value)
    target = targets()[name]
    text = sam_template(target, python_for(target, None), 512)
    properties = yaml.load(text, Loader)["Resources"]["Model"]["Properties"]
    assert properties["Architectures"] == [{"x86_64": "x86_64", "aarch64": "arm64"}[target.arch]]
    assert properties["Runtime"] == "python3.13"
    assert (properties["MemorySize"], properties["Handler"]) == (512, "handler.handler")
    assert properties["CodeUri"] == "function.zip"


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
    assert {row["name"] for row in said[0]["licences"]} == {"numpy", "onnxruntime", "tokenizers"}
    function = tmp_path / "one/function"
    assert not list(function.glob("*/tests")) + list(function.glob("onnxruntime/transformers"))
    assert list((function / "bundle/runtimes/__pycache__").glob("*.pyc"))

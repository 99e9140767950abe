"""requirements.txt and the bill of materials list what is in a package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compress.device.wheels import Wheel
from compress.package.interpreter import Interpreter
from compress.package.layout import Material
from compress.package.parts import BILL, REQUIREMENTS, write_bill, write_requirements
from compress.package.targets import target_of
from compress.release.bom import Library
from runtimes.artifact import read_artifact
from tests.absent import needs

WHEELS = [
    Wheel("onnxruntime", "1.24.1", "onnxruntime.whl", "b" * 64, None),
    Wheel("numpy", "2.1.0", "numpy.whl", "a" * 64, None),
]
LICENCES = [
    {"name": "numpy", "licence": "BSD-3-Clause AND MIT"},
    {"name": "onnxruntime", "licence": "MIT License"},
]


DEBS = [Library("libc6", "2.36-9", "c" * 64, kind="deb")]


def _material(bundle: Path, wheels: list[Wheel]) -> Material:
    parts = (target_of("zip"), "3.11", read_artifact(bundle), bundle, wheels, Interpreter())
    return Material(*parts, scratch=bundle, debs=DEBS)


@pytest.fixture
def bill(tiny_bundle: Path, tmp_path: Path) -> str:
    """Write a bill, and return its text."""
    needs("cyclonedx")
    assert write_bill(tmp_path, _material(tiny_bundle, WHEELS), LICENCES) == ""
    return (tmp_path / BILL).read_text()


def test_the_bill_is_valid_by_its_schema(bill: str) -> None:
    needs("jsonschema")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(bill) is None
    broken = bill.replace('"specVersion": "1.6"', '"specVersion": 1.6')
    assert validator.validate_str(broken) is not None


def test_the_bill_names_the_model_and_each_wheel(bill: str, tiny_bundle: Path) -> None:
    components: dict[str, Any] = {one["name"]: one for one in json.loads(bill)["components"]}
    numpy = components["numpy"]
    assert (numpy["purl"], numpy["version"]) == ("pkg:pypi/numpy@2.1.0", "2.1.0")
    assert numpy["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert numpy["licenses"] == [{"expression": "BSD-3-Clause AND MIT"}]
    assert components["onnxruntime"]["licenses"][0]["license"]
    assert components["libc6"]["purl"] == "pkg:deb/debian/libc6@2.36-9"
    (model,) = [one for one in components.values() if one["type"] == "machine-learning-model"]
    names = {one["name"] for one in model["components"]}
    assert names == set(read_artifact(tiny_bundle).files)


def test_the_bill_is_the_same_when_it_is_written_again(
    bill: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    write_bill(tmp_path, _material(tiny_bundle, WHEELS[::-1]), LICENCES)
    assert (tmp_path / BILL).read_text() == bill


def test_without_the_library_there_is_no_bill(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compress.package.parts.find_spec", lambda name: None)
    why = write_bill(tmp_path, _material(tiny_bundle, WHEELS), LICENCES)
    assert "edgepress[release]" in why
    assert not list(tmp_path.glob(BILL))


def test_pip_takes_the_requirements_with_their_digests(tmp_path: Path) -> None:
    """pip refuses a wheel of another digest, and takes one of the right one."""
    import hashlib

    wheel = tmp_path / "sample-1.0-py3-none-any.whl"
    _tiny_wheel(wheel)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert _pip_takes(tmp_path, Wheel("sample", "1.0", wheel.name, digest, None))
    assert not _pip_takes(tmp_path, Wheel("sample", "1.0", wheel.name, "0" * 64, None))


def _pip_takes(folder: Path, wheel: Wheel) -> bool:
    write_requirements(folder, [wheel])
    words = ["download", "--require-hashes", "--no-deps", "--no-index", f"--find-links={folder}"]
    words += ["-r", str(folder / REQUIREMENTS), "--dest", str(folder / "got")]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    done = subprocess.run([*pip, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "DO NOT MATCH THE HASHES" in done.stderr
    return done.returncode == 0


def _tiny_wheel(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sample.py", "")
        archive.writestr(
            "sample-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n"
        )
        archive.writestr(
            "sample-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("sample-1.0.dist-info/RECORD", "")

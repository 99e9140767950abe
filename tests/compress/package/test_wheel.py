"""The wheel is one that pip installs, and its command answers."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from compress.device.wheels import Wheel
from compress.package.interpreter import Interpreter
from compress.package.layout import Material, Wishes
from compress.package.targets import target_of
from compress.package.wheel import BundleWheel
from runtimes.artifact import read_artifact
from runtimes.errors import InputError
from tests.runtimes.tiny import LABELS


def _material(bundle: Path, site: Path, wheels: list[Wheel], wishes: Wishes) -> Material:
    target = target_of("wheel")
    artifact = read_artifact(bundle)
    parts = (target, target.pythons[0], artifact, site, wheels, Interpreter())
    return Material(*parts, scratch=site, wishes=wishes)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("../out", "1"),
        ("a b", "1"),
        ("", "1"),
        ("a", "one"),
        ("a", "1.0+x"),
        ("a", ""),
        ("a--b", "1"),
    ],
)
def test_names_and_versions_that_pip_refuses_are_refused(
    tiny_bundle: Path, tmp_path: Path, name: str, version: str
) -> None:
    material = _material(tiny_bundle, tmp_path, [], Wishes(name=name, package_version=version))
    with pytest.raises(InputError, match=r"--name|--package-version"):
        BundleWheel().write(material, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_pip_installs_it_in_an_empty_environment(tiny_bundle: Path, tmp_path: Path) -> None:
    wishes = Wishes(name="My.Model", package_version="2.1")
    (tmp_path / "out").mkdir()
    BundleWheel().write(_material(tiny_bundle, tmp_path, [], wishes), tmp_path / "out")
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    (wheel,) = (tmp_path / "out").glob("*.whl")
    assert wheel.name == "my_model-2.1-py3-none-any.whl"
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-index", "-q", str(wheel)], check=True)
    subprocess.run([*pip, "check"], check=True)
    shown = subprocess.run([*pip, "show", "-f", "my-model"], check=True, capture_output=True)
    assert b"my_model/bundle/model.onnx" in shown.stdout
    host = Path(sys.prefix) / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    command = [str(tmp_path / "venv/bin/my.model"), "--json", "my card is lost"]
    done = subprocess.run(command, env={"PYTHONPATH": str(host)}, check=True, capture_output=True)
    assert json.loads(done.stdout)["label"] in LABELS
    program = "import my_model; print(my_model.predict(['thank you'], top=2)[0]['top'])"
    subprocess.run([python, "-c", program], env={"PYTHONPATH": str(host)}, check=True)


def test_its_requirements_are_pinned(tiny_bundle: Path, tmp_path: Path) -> None:
    wheels = [Wheel("numpy", "2.1.0", "numpy.whl", "0" * 64, None)]
    (tmp_path / "out").mkdir()
    BundleWheel().write(_material(tiny_bundle, tmp_path, wheels, Wishes()), tmp_path / "out")
    (metadata,) = (tmp_path / "out").glob("wheel/*.dist-info/METADATA")
    assert "Requires-Dist: numpy==2.1.0\n" in metadata.read_text()

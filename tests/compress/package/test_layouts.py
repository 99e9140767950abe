"""Each target's layout keeps the contract."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from pathlib import Path

import pytest

from compress.package.check import check_function
from compress.package.interpreter import Interpreter
from compress.package.layout import Laid, Wishes
from compress.package.targets import TARGETS
from runtimes.errors import QualityError
from tests.absent import needs
from tests.compress.package.contract_layout import LayoutContract
from tests.runtimes.tiny import TEXTS


class TestLambdaX86(LayoutContract):
    target = "lambda-x86"


class TestLambdaArm64(LayoutContract):
    target = "lambda-arm64"


class TestLambdaLayer(LayoutContract):
    target = "lambda-x86"
    wishes = Wishes(layer=True)


class TestZip(LayoutContract):
    target = "zip"


class TestCloudRun(LayoutContract):
    target = "cloudrun"


class TestAzureFunctions(LayoutContract):
    target = "azure-functions"

    @pytest.fixture(autouse=True)
    @staticmethod
    def azure() -> None:
        needs("azure.functions")

    def test_an_app_without_its_packages_is_found(
        self,
        written: tuple[Path, Laid],
        tiny_bundle: Path,
        packages: Path,
        here: Interpreter,
    ) -> None:
        """The handler alone would answer."""
        _, laid = written
        (packages / "werkzeug").unlink()
        laid = dataclasses.replace(laid, paths=(*laid.paths, packages))
        with pytest.raises(QualityError, match="werkzeug"):
            check_function(laid, tiny_bundle, TEXTS, here)


class TestWheel(LayoutContract):
    target = "wheel"


@pytest.mark.slow
class TestImage(LayoutContract):
    target = "oci"

    def test_it_holds_regular_files_the_bundle_and_the_licence(
        self, written: tuple[Path, Laid], tiny_bundle: Path
    ) -> None:
        """They are in its layers."""
        folder, laid = written
        index = json.loads((folder / laid.image / "index.json").read_text())
        blobs = folder / laid.image / "blobs/sha256"
        manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
        with tarfile.open(blobs / manifest["layers"][-1]["digest"][7:]) as layer:
            names = layer.getnames()
        assert {"app/main.py", "app/bundle/model.onnx", "app/licenses/Apache-2.0.txt"} <= set(names)


def test_every_target_is_tested() -> None:
    assert {suite.target for suite in LayoutContract.__subclasses__()} == set(TARGETS)

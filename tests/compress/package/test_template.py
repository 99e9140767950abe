"""The SAM template names what the package is."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from compress.package.template import sam_template


def _read(text: str) -> Any:
    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
        """Read CloudFormation's own tags as their text."""

    Loader.add_multi_constructor("!", lambda loader, suffix, node: node.value)
    return yaml.load(text, Loader)["Resources"]


@pytest.mark.parametrize(("arch", "named"), [("x86_64", "x86_64"), ("aarch64", "arm64")])
def test_the_template_names_what_the_target_is(arch: str, named: str) -> None:
    properties = _read(sam_template(arch, "3.13", memory_mb=512, layer=False))["Model"][
        "Properties"
    ]
    assert (properties["Architectures"], properties["Runtime"]) == ([named], "python3.13")
    assert (properties["MemorySize"], properties["Handler"]) == (512, "handler.handler")
    assert properties["CodeUri"] == "function.zip"
    assert "Layers" not in properties


def test_the_packages_can_be_a_layer() -> None:
    resources = _read(sam_template("aarch64", "3.12", memory_mb=512, layer=True))
    (layer,) = resources["Model"]["Properties"]["Layers"]
    properties = resources[layer]["Properties"]
    assert resources[layer]["Type"] == "AWS::Serverless::LayerVersion"
    assert properties["ContentUri"] == "layer.zip"
    assert properties["CompatibleRuntimes"] == ["python3.12"]
    assert properties["CompatibleArchitectures"] == ["arm64"]

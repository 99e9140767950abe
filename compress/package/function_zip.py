"""One zip with the bundle, its packages and the handler, or two: the packages as a Lambda layer."""

from __future__ import annotations

import shutil
from pathlib import Path

from compress.package.archive import write_zip
from compress.package.folder import add_function
from compress.package.layout import Laid, Layout, Material
from compress.package.template import sam_template
from runtimes.files import folder_bytes

FUNCTION = "function"
FUNCTION_ZIP = "function.zip"
LAYER = "layer"
LAYER_ZIP = "layer.zip"
TEMPLATE = "template.yaml"

_LAYER_PACKAGES = "python"
"""The folder of a layer that Lambda puts on Python's path."""


class FunctionZip(Layout):
    """A zip whose top is on Python's path."""

    def write(self, material: Material, folder: Path) -> Laid:
        """Write `function/` and `function.zip`."""
        function = folder / FUNCTION
        shutil.copytree(material.site, function)
        add_function(material.bundle, function)
        material.compile(function)
        write_zip(function, folder / FUNCTION_ZIP)
        sizes = {"zip": (folder / FUNCTION_ZIP).stat().st_size, "unzipped": folder_bytes(function)}
        return Laid((function,), sizes, {FUNCTION_ZIP: FUNCTION})


class Lambda(FunctionZip):
    """Lambda's zip, or its zip and a layer's, and the template that deploys them."""

    reads = frozenset({"memory_mb", "layer"})

    def write(self, material: Material, folder: Path) -> Laid:
        """Write `function.zip`, `layer.zip` where it is wished for, and `template.yaml`."""
        laid = (
            _in_two(material, folder) if material.wishes.layer else super().write(material, folder)
        )
        (folder / TEMPLATE).write_text(
            sam_template(
                material.target.arch,
                material.python,
                memory_mb=material.wishes.memory_mb,
                layer=material.wishes.layer,
            ),
            encoding="utf-8",
        )
        return laid


def _in_two(material: Material, folder: Path) -> Laid:
    """Write the model and the handler apart from the packages, which change less often."""
    function, layer = folder / FUNCTION, folder / LAYER
    function.mkdir()
    add_function(material.bundle, function)
    shutil.copytree(material.site, layer / _LAYER_PACKAGES)
    for part in (function, layer):
        material.compile(part)
    write_zip(function, folder / FUNCTION_ZIP)
    write_zip(layer, folder / LAYER_ZIP)
    sizes = {
        "zip": (folder / FUNCTION_ZIP).stat().st_size,
        "layer_zip": (folder / LAYER_ZIP).stat().st_size,
        "unzipped": folder_bytes(function) + folder_bytes(layer),
    }
    archives = {FUNCTION_ZIP: FUNCTION, LAYER_ZIP: LAYER}
    return Laid((function, layer / _LAYER_PACKAGES), sizes, archives)

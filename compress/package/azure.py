"""A folder that Azure Functions takes: the v2 programming model of Python, with its packages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from compress.package.archive import write_zip
from compress.package.folder import add_function
from compress.package.function_zip import FUNCTION, FUNCTION_ZIP
from compress.package.layout import Laid, Layout, Material
from runtimes.files import folder_bytes

PACKAGES = ".python_packages/lib/site-packages"
"""Where the platform's worker looks for packages, below a function app."""

APP = "function_app.py"
HOST = "host.json"

_HOST = {
    "version": "2.0",
    "extensions": {"http": {"routePrefix": ""}},
    "logging": {"logLevel": {"default": "Information"}},
}
"""Routes without a prefix: /predict and /health, as the other targets have them."""


class AzureFunctions(Layout):
    """The app's own package, and what that needs, lie among the others.

    From Python 3.13 on the worker gives an app no package of its own.
    """

    wheels = ("azure-functions", "werkzeug", "markupsafe")

    def write(self, material: Material, folder: Path) -> Laid:
        """Write `function/` and the zip of it that a deployment without a build takes."""
        function = folder / FUNCTION
        shutil.copytree(material.site, function / PACKAGES)
        add_function(material.bundle, function)
        shutil.copyfile(Path(__file__).with_name(APP), function / APP)
        (function / HOST).write_text(json.dumps(_HOST, indent=2) + "\n", encoding="utf-8")
        material.compile(function)
        write_zip(function, folder / FUNCTION_ZIP)
        sizes = {"zip": (folder / FUNCTION_ZIP).stat().st_size, "unzipped": folder_bytes(function)}
        paths = (function, function / PACKAGES)
        return Laid(paths, sizes, {FUNCTION_ZIP: FUNCTION}, starts=(Path(APP).stem,))

"""What a package is made for: the platform's architecture, Python, C library and limits."""

from __future__ import annotations

import dataclasses
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtimes.errors import UnsupportedError
from runtimes.registry import imported

if TYPE_CHECKING:
    from compress.package.layout import Layout

ZIP_LIMIT_BYTES = 50 * 2**20
UNZIPPED_LIMIT_BYTES = 262_144_000
"""Lambda's limits for a zip that is uploaded directly, and for a function and layers unzipped.

Its quotas say 50 MB and 250 MB; its API counts 2^20 bytes a MB ("Unzipped size must be smaller than
262144000 bytes").
"""

_LAMBDA_LIMITS = {
    "zip": ZIP_LIMIT_BYTES,
    "layer_zip": ZIP_LIMIT_BYTES,
    "unzipped": UNZIPPED_LIMIT_BYTES,
}

_AMAZON_LINUX_2023 = (2, 34)
_DEBIAN_12 = (2, 36)
_DEBIAN_11 = (2, 31)
"""The older of the C libraries that Azure Functions' images have for Python 3.11 and newer."""
_LAMBDA_PYTHONS = ("3.13", "3.12", "3.14")


@dataclass(frozen=True, slots=True)
class Target:
    """Describe a target; `layout` names the class that arranges a package's files for it.

    `pythons` has the default first. An empty `arch`, and no `pythons`, are this machine's own.
    `limits` holds the most bytes of each size that the platform limits.
    """

    name: str
    layout: str
    arch: str = ""
    glibc: tuple[int, int] = (0, 0)
    pythons: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)

    def opened(self) -> Layout:
        """Return what arranges a package's files for this target."""
        made: Layout = imported(self.layout)()
        return made


_FUNCTION_ZIP = "compress.package.function_zip"

_ROWS = (
    Target(
        name="lambda-x86",
        layout=f"{_FUNCTION_ZIP}:Lambda",
        arch="x86_64",
        glibc=_AMAZON_LINUX_2023,
        pythons=_LAMBDA_PYTHONS,
        limits=_LAMBDA_LIMITS,
    ),
    Target(
        name="lambda-arm64",
        layout=f"{_FUNCTION_ZIP}:Lambda",
        arch="aarch64",
        glibc=_AMAZON_LINUX_2023,
        pythons=_LAMBDA_PYTHONS,
        limits=_LAMBDA_LIMITS,
    ),
    Target(
        name="cloudrun",
        layout="compress.package.cloudrun:CloudRun",
        arch="x86_64",
        glibc=_DEBIAN_12,
        pythons=("3.13", "3.12", "3.11", "3.14"),
    ),
    Target(
        name="azure-functions",
        layout="compress.package.azure:AzureFunctions",
        arch="x86_64",
        glibc=_DEBIAN_11,
        pythons=("3.12", "3.13", "3.11"),
    ),
    Target(name="oci", layout="compress.package.image:Image"),
    Target(name="wheel", layout="compress.package.wheel:BundleWheel"),
    Target(name="zip", layout=f"{_FUNCTION_ZIP}:FunctionZip"),
)
TARGETS: Mapping[str, Target] = {row.name: row for row in _ROWS}
"""The targets by name. A new one is a row here, and a module where its layout is new.

Python 3.11 on Lambda has Amazon Linux 2 with glibc 2.26, for which ONNX Runtime has no wheel.
"""


def target_of(name: str) -> Target:
    """Return a target, with this machine's own architecture, Python and C library in the gaps."""
    row = TARGETS[name]
    return dataclasses.replace(
        row,
        arch=row.arch or platform.machine(),
        glibc=row.glibc if row.pythons else _own_glibc(),
        pythons=row.pythons or (_own_python(),),
    )


def python_for(target: Target, python: str | None) -> str:
    """Return the target's Python; raise UnsupportedError for one that it does not have."""
    if python is None:
        return target.pythons[0]
    if python not in target.pythons:
        raise UnsupportedError(
            f"{target.name}: no package is made for Python {python} there",
            expected=" or ".join(sorted(target.pythons)),
            action="choose one of these, or leave --python out",
        )
    return python


def _own_python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _own_glibc() -> tuple[int, int]:
    """Return this machine's C library; the oldest that wheels name where it is another one."""
    found = re.fullmatch(r"(\d+)\.(\d+).*", platform.libc_ver()[1])
    return (int(found[1]), int(found[2])) if found else (2, 17)

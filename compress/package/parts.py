"""What lists a package's parts: requirements.txt with digests, and a bill of materials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from compress.device.wheels import Wheel
from compress.package.layout import Material
from compress.release.bom import Library, package_bill

REQUIREMENTS = "requirements.txt"
BILL = "bom.json"
_HOW = "# pip install --no-deps --require-hashes -r requirements.txt\n"


def write_requirements(folder: Path, wheels: Sequence[Wheel]) -> None:
    """Write the wheels as pip's --require-hashes reads them.

    They are all that the package has: what they require themselves is not imported.
    """
    lines = [f"{one.name}=={one.version} --hash=sha256:{one.sha256}\n" for one in wheels]
    (folder / REQUIREMENTS).write_text(_HOW + "".join(sorted(lines)), encoding="utf-8")


def write_bill(folder: Path, material: Material, licences: Sequence[Mapping[str, Any]]) -> str:
    """Write the bill of materials, and return "", or why there is none."""
    if find_spec("cyclonedx") is None:
        return "no bill of materials: pip install 'edgepress[release]'"
    said = {row["name"]: row["licence"] for row in licences}
    wheels = [
        Library(one.name, one.version, one.sha256, said.get(one.name, ""))
        for one in material.wheels
    ]
    name = f"edgepress package for {material.target.name}"
    bill = package_bill(
        name, material.bundle.digest, material.bundle, sorted([*wheels, *material.debs])
    )
    (folder / BILL).write_text(bill, encoding="utf-8")
    return ""

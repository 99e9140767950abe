"""One wheel that pip installs: the bundle as an importable package with a command."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from pathlib import Path

from compress.package.archive import files_of, write_zip
from compress.package.folder import BUNDLE, copy_bundle
from compress.package.layout import Laid, Layout, Material
from compress.package.licences import add_licence
from runtimes.errors import InputError
from runtimes.files import folder_bytes

UNPACKED = "wheel"
MODULE = "installed.py"
_TAG = "py3-none-any"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*")
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?")
"""PEP 440 without epochs and local versions, which package indexes refuse or readers misread."""

_METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: {version}
Summary: A model that edgepress packaged, with the code that runs it.
License-File: Apache-2.0.txt
Requires-Python: >={python}
"""
_WHEEL = f"""\
Wheel-Version: 1.0
Generator: edgepress
Root-Is-Purelib: true
Tag: {_TAG}
"""


class BundleWheel(Layout):
    """A pure wheel whose requirements are pinned to what was resolved for the target."""

    reads = frozenset({"name", "package_version"})

    def write(self, material: Material, folder: Path) -> Laid:
        """Write `NAME-VERSION-py3-none-any.whl`, and what is in it to `wheel/`."""
        name, version = _checked(material.wishes.name, material.wishes.package_version)
        module = re.sub(r"[-_.]+", "_", name).lower()
        unpacked = folder / UNPACKED
        package = unpacked / module
        package.mkdir(parents=True)
        shutil.copyfile(Path(__file__).with_name(MODULE), package / "__init__.py")
        copy_bundle(material.bundle, package / BUNDLE)
        _describe(material, unpacked / f"{module}-{version}.dist-info", name, version, module)
        archive = f"{module}-{version}-{_TAG}.whl"
        write_zip(unpacked, folder / archive)
        sizes = {"wheel": (folder / archive).stat().st_size, "unzipped": folder_bytes(unpacked)}
        return Laid((unpacked, material.site), sizes, {archive: UNPACKED}, module=module)


def _describe(material: Material, folder: Path, name: str, version: str, module: str) -> None:
    """Write the metadata of a wheel (PEP 427, PEP 639), RECORD last."""
    folder.mkdir()
    add_licence(folder)
    metadata = _METADATA.format(name=name, version=version, python=material.python)
    metadata += "".join(f"Requires-Dist: {one.name}=={one.version}\n" for one in material.wheels)
    script = f"[console_scripts]\n{name.lower()} = {module}:main\n"
    for file, text in {"METADATA": metadata, "WHEEL": _WHEEL, "entry_points.txt": script}.items():
        (folder / file).write_text(text, encoding="utf-8")
    record = f"{folder.name}/RECORD"
    rows = [_row(file, folder.parent) for file in files_of(folder.parent)]
    (folder / "RECORD").write_text("\n".join([*rows, f"{record},,"]) + "\n", encoding="utf-8")


def _row(file: Path, root: Path) -> str:
    content = file.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    name = file.relative_to(root).as_posix()
    quoted = f'"{name.replace(chr(34), chr(34) * 2)}"' if set(',"') & set(name) else name
    return f"{quoted},sha256={digest},{len(content)}"


def _checked(name: str, version: str) -> tuple[str, str]:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"--name {name!r}",
            expected="letters and digits, with single - _ or . between them",
            action="choose another name",
        )
    if not _VERSION.fullmatch(version):
        raise InputError(
            f"--package-version {version!r}",
            expected="a version as Python packages have, such as 1.0.2",
            action="choose another version",
        )
    return name, version

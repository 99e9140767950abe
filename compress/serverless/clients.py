"""The programs that speak the Runtime API for a handler: edgepress's own, and AWS's."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from compress.device.wheels import download_wheels, unpack_wheels
from compress.package.folder import BOOTSTRAP
from compress.package.targets import TARGETS
from compress.places import cache_root
from compress.run.cache_owner import claim
from runtimes.errors import UnsupportedError

OWN, AWS = "edgepress", "awslambdaric"
_MODULES = (AWS, "simplejson", "snapshot_restore_py")

_ALONE = ("-S", "-s", "-B")
"""No other folder of packages is on the path, and nothing is written: a function's folder is
read-only on the platform."""


def own_client(interpreter: Sequence[str], folder: Path) -> list[str]:
    """Return the command that starts a package's own client in the function's `folder`."""
    return [*interpreter, *_ALONE, str(folder / BOOTSTRAP)]


def aws_client(interpreter: Sequence[str]) -> list[str]:
    """Return the command that starts AWS's client: see `aws_variables`."""
    return [*interpreter, *_ALONE, "-m", AWS, "handler.handler"]


def aws_variables(place: Path, arch: str = "", python: str = "") -> dict[str, str]:
    """Put AWS's client, and it alone, into the new folder `place`; return the variables for it.

    It has native code. So for another `arch` or `python` than these here its wheel is fetched; else
    the installed one is copied. Raises UnsupportedError where there is none.
    """
    place.mkdir()
    own = (platform.machine(), ".".join(platform.python_version_tuple()[:2]))
    if (arch or own[0], python or own[1]) == own:
        _copy(place)
    else:
        _fetch(place, arch, python)
    return {"PYTHONPATH": str(place)}


def _copy(place: Path) -> None:
    spec = importlib.util.find_spec(AWS)
    if spec is None or spec.origin is None:
        raise UnsupportedError(
            f"{AWS} is not installed",
            expected="AWS's own client of the Runtime API",
            action=f"pip install {AWS}",
        )
    site = Path(spec.origin).parents[1]
    for name in _MODULES:
        if (site / name).is_dir():
            shutil.copytree(site / name, place / name)
    for native in site.glob("runtime_client*.so"):
        shutil.copyfile(native, place / native.name)


def _fetch(place: Path, arch: str, python: str) -> None:
    root = cache_root()
    claim(root)
    glibc = TARGETS["lambda-x86"].glibc
    kept = root / "wheels"
    wheels = download_wheels(_MODULES, arch=arch, python=python, glibc=glibc, folder=kept)
    unpack_wheels(wheels, place)

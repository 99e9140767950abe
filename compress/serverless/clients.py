"""The programs that speak the Runtime API for a handler: edgepress's own, and AWS's."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path

from compress.package.folder import BOOTSTRAP
from runtimes.errors import UnsupportedError

OWN, AWS = "edgepress", "awslambdaric"


_ALONE = ("-S", "-s", "-B")
"""No other folder of packages is on the path, and nothing is written: a function's folder is
read-only on the platform."""


def own_client(interpreter: Sequence[str], folder: Path) -> list[str]:
    """Return the command that starts a package's own client in the function's `folder`."""
    return [*interpreter, *_ALONE, str(folder / BOOTSTRAP)]


def aws_client(interpreter: Sequence[str]) -> list[str]:
    """Return the command that starts AWS's client: see `aws_variables`."""
    return [*interpreter, *_ALONE, "-m", AWS, "handler.handler"]


def aws_variables(place: Path) -> dict[str, str]:
    """Copy AWS's client, and it alone, to the new folder `place`; return the variables for it.

    Raises UnsupportedError where it is not installed here.
    """
    spec = importlib.util.find_spec(AWS)
    if spec is None or spec.origin is None:
        raise UnsupportedError(
            f"{AWS} is not installed",
            expected="AWS's own client of the Runtime API",
            action=f"pip install {AWS}",
        )
    site = Path(spec.origin).parents[1]
    place.mkdir()
    for name in (AWS, "simplejson", "snapshot_restore_py"):
        if (site / name).is_dir():
            shutil.copytree(site / name, place / name)
    for native in site.glob("runtime_client*.so"):
        shutil.copyfile(native, place / native.name)
    return {"PYTHONPATH": str(place)}

"""The function's folder: the bundle, the packages that it needs, and what answers events."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from compress.device.pack_build import leave_out
from compress.device.pack_parts import WHEELS_LEFT_OUT
from compress.package import function
from compress.package.licences import add_licence
from runtimes.artifact import Artifact
from runtimes.errors import InputError

FUNCTION = "function"
BUNDLE = "bundle"
ENTRY = "handler.py"

_COMPILE_S = 600


def assemble(bundle: Artifact, site: Path, folder: Path) -> None:
    """Make the function's folder of a bundle and of unpacked wheels, without what never runs.

    The wheels lie at the top, where Lambda looks for packages.
    """
    shutil.copytree(site, folder)
    leave_out(folder, WHEELS_LEFT_OUT)
    for described in site.glob("*.dist-info"):  # licences lie in folders that are named as sources
        shutil.copytree(described, folder / described.name, dirs_exist_ok=True)
    bundle.copy(folder / BUNDLE)
    add_licence(folder)
    shutil.copyfile(str(function.__file__), folder / ENTRY)


def compile_modules(folder: Path, interpreter: Sequence[str]) -> None:
    """Compile all modules with the target's Python: a platform's folder cannot be written.

    They are not compared with their sources, whose times a zip does not keep. A fixed hash seed
    gives equal bytes: sets of constants are stored in the order of their hashes. With -I Python
    would not read it.
    """
    program = (
        "import compileall, py_compile, sys; mode = py_compile.PycInvalidationMode.UNCHECKED_HASH;"
        "compileall.compile_dir(sys.argv[1], quiet=2, stripdir=sys.argv[1], invalidation_mode=mode)"
    )
    try:
        subprocess.run(
            [*interpreter, "-P", "-s", "-S", "-c", program, str(folder)],
            env={"PYTHONHASHSEED": "0"},
            check=True,
            capture_output=True,
            timeout=_COMPILE_S,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise InputError(
            f"{interpreter[0]} cannot compile the package's modules ({error})",
            action="name another by --interpreter, or take it off the PATH",
        ) from error

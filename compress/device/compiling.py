"""Compile the modules of a folder that is sent elsewhere: the same bytes from the same sources."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from runtimes.errors import InputError

_PROGRAM = (
    "import compileall, py_compile, sys; mode = py_compile.PycInvalidationMode.UNCHECKED_HASH;"
    "compileall.compile_dir(sys.argv[1], quiet=2, stripdir=sys.argv[2], invalidation_mode=mode)"
)
_LIMIT_S = 600


def compile_modules(folder: Path, interpreter: Sequence[str], root: Path | None = None) -> None:
    """Compile all modules with the Python that will run them; they are named from `root` on.

    So the first start is as fast as any other, also in a folder that cannot be written. They are
    not compared with their sources: copied files get new times, and a zip keeps none. A fixed hash
    seed gives equal bytes: sets of constants are stored in the order of their hashes. With -I
    Python would not read it. Raises InputError where the interpreter fails.
    """
    try:
        subprocess.run(
            [*interpreter, "-P", "-s", "-S", "-c", _PROGRAM, str(folder), str(root or folder)],
            env={"PYTHONHASHSEED": "0"},
            check=True,
            capture_output=True,
            timeout=_LIMIT_S,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise InputError(
            f"{interpreter[0]} cannot compile the modules ({error})",
            action="name another by --interpreter, or take it off the PATH",
        ) from error

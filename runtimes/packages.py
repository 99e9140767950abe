"""The packages that runtimes and tasks need: whether they are here, and how they are imported."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from runtimes.errors import UnsupportedError
from runtimes.runtime import Availability

if TYPE_CHECKING:
    from runtimes.runtime import Runtime


def imported_quietly(package: str) -> Any:
    """Import a package with the telemetry of every known backend off, and return the module.

    Raises UnsupportedError, naming what to install, when it is missing.
    """
    quiet()
    import importlib

    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise UnsupportedError(
            f"the Python package {missing!r} is missing",
            action=f"{sys.executable} -m pip install {missing}",
        ) from None


def quiet() -> None:
    """Switch off the telemetry of packages that are imported later.

    ONNX Runtime reads its variable when it is imported. `import openvino` sends an event and
    writes below the home folder as soon as openvino_telemetry can be imported; where it cannot,
    openvino (and nncf) use a stub that does nothing. None in sys.modules is Python's way to say
    that a module cannot be imported.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def package_availability(module: str, *distributions: str) -> Availability:
    """Look a package up by its module's name; its distributions may have others."""
    if not _importable(module):
        return Availability(
            False, f"the package {module} is not installed (pip install {module})", None
        )
    return Availability(True, "installed", _version(module, *distributions))


def require_available(runtime: Runtime) -> None:
    """Raise UnsupportedError, saying why, when a runtime cannot be used here."""
    state = runtime.availability()
    if not state.ok:
        raise UnsupportedError(
            f"runtime {runtime.name} cannot be used here: {state.reason}",
            action="see `edgepress doctor`",
        )


def _importable(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _version(*distributions: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None

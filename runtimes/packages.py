"""Tell whether a runtime's package is here and fits, without importing it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError
from runtimes.session import Availability, Runtime, SessionOptions


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


def require_format(runtime: Runtime, artifact: Artifact, options: SessionOptions) -> None:
    """Raise UnsupportedError when a runtime does not load the format or run on the device."""
    if artifact.format not in runtime.formats:
        raise UnsupportedError(
            f"runtime {runtime.name} was given format {artifact.format!r}",
            expected=" or ".join(runtime.formats),
            action="`edgepress export` makes another format",
        )
    devices = getattr(runtime, "devices", ("cpu",))
    if options.device not in devices:
        raise UnsupportedError(
            f"runtime {runtime.name} was asked to run on {options.device!r}",
            expected=" or ".join(devices),
        )


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _version(*distributions: str) -> str | None:
    for name in distributions:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None

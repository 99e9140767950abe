"""Packages that may be missing: whether they are here, and what installs and imports them."""

from __future__ import annotations

import sys

from runtimes.errors import MissingPackageError, UnsupportedError
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.runtime import Availability

if TYPE_CHECKING:
    from typing import Any

    from runtimes.runtime import Runtime


def import_package(package: str) -> Any:
    """Import and return a package; raise UnsupportedError, naming what to install, without it."""
    import importlib

    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise missing_package("running a model", str(error.name)) from None


def require_packages(user: str, *modules: str) -> None:
    """Raise UnsupportedError, naming what to install, when one of the modules is not here.

    `user` is what needs them, as the message begins. None of them is imported.
    """
    for module in modules:
        if not _importable(module):
            raise missing_package(user, module)


_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
"""The packages whose modules have another name, beyond - and _."""


def missing_package(user: str, module: str) -> MissingPackageError:
    """Return the error of a user that needs a module which is not installed."""
    package = module.partition(".")[0]
    return MissingPackageError(
        f"{user} needs {package}, which is not installed",
        package=package,
        action=install_command(package),
    )


def install_command(module: str) -> str:
    """Return the command that installs a module: an extra of edgepress, where one brings it."""
    package = _distribution(module)
    extra = extra_of(module)
    if extra:
        return f"pip install 'edgepress[{extra}]'"
    return f"{sys.executable} -m pip install {package}"


def extra_of(module: str) -> str | None:
    """Return the first extra of edgepress that lists a module's package, None for no extra."""
    package = _distribution(module).replace("_", "-").lower()
    listing = (extra for extra, packages in extras().items() if package in packages)
    return next(listing, None)


def _distribution(module: str) -> str:
    package = module.partition(".")[0]
    return _DISTRIBUTIONS.get(package, package)


def extras() -> dict[str, tuple[str, ...]]:
    """Return the extras of edgepress and the packages that each lists, as pyproject.toml has them.

    They are read from what is installed; {} on a device that has a bundle and no edgepress.
    """
    import re
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        known = metadata("edgepress")
    except PackageNotFoundError:
        return {}
    found: dict[str, tuple[str, ...]] = dict.fromkeys(known.get_all("Provides-Extra") or [], ())
    for line in known.get_all("Requires-Dist") or []:
        name, extra = re.match(r"[\w.-]+", line), re.search(r"extra == ['\"]([\w.-]+)", line)
        if name and extra and name[0] != "edgepress":
            found[extra[1]] += (name[0].lower(),)
    return found


def package_availability(module: str, *distributions: str) -> Availability:
    """Look a package up by its module's name; its distributions may have others."""
    if not _importable(module):
        return Availability(False, f"{module} is not installed ({install_command(module)})", None)
    return Availability(True, "installed", _version(module, *distributions))


def require_available(runtime: Runtime) -> None:
    """Raise UnsupportedError, saying why, when a runtime cannot be used here."""
    require_packages(f"runtime {runtime.name}", *runtime.packages)
    state = runtime.availability()
    if not state.ok:
        raise UnsupportedError(
            f"runtime {runtime.name} cannot be used here: {state.reason}",
            action="see `edgepress doctor`",
        )


def _importable(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None  # None is Python's way to say that it is not there
    if "." not in module:  # importlib.util, with what it imports, is 1 ms of a cold start
        return any(finder.find_spec(module, None) for finder in sys.meta_path)
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

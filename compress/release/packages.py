"""Packages of the extra `release`, whose names on the index are not their modules'."""

from __future__ import annotations

import importlib
from typing import Any

from runtimes.errors import UnsupportedError


def released(user: str, module: str) -> Any:
    """Import a module; raise UnsupportedError, naming the extra, where a package is missing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UnsupportedError(
            f"{user} needs {error.name}, which is not installed",
            action="pip install 'edgepress[release]'",
        ) from error

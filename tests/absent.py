"""In an environment that lacks an extra, tests whose own code imports its packages are skipped.

Code under test that imports such a package fails there, as it does for a user.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, ModuleType

import pytest

from runtimes.packages import extra_of

_TESTS = str(Path(__file__).parent)


class Absent(MetaPathFinder):
    """Stand behind all other finders: what comes here is not installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        """Skip the test that imports a package of an extra; leave all else to fail."""
        if extra_of(name) and _importer(sys._getframe(1)).startswith(_TESTS):
            pytest.skip(f"needs {name}", allow_module_level=True)


def needs(module: str) -> None:
    """Skip a test where a module is not installed, without importing it."""
    parents = module.split(".")
    if any(find_spec(".".join(parents[: place + 1])) is None for place in range(len(parents))):
        pytest.skip(f"needs {module}")


def _importer(frame: FrameType | None) -> str:
    """Return the file whose import statement is running."""
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return frame.f_code.co_filename if frame else ""

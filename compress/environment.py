"""The environment for loading libraries: no messages, no spinning threads."""

from __future__ import annotations

import os

_SETTINGS = {
    "TRANSFORMERS_VERBOSITY": "error",
    # Spinning OpenMP threads cost five times the wall time when a core is shared.
    "OMP_WAIT_POLICY": "passive",
}


def quiet_libraries() -> None:
    """Set the environment of every library that is loaded later; set variables stay."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)

"""The environment for loading libraries: no telemetry, no messages, no spinning threads."""

from __future__ import annotations

import os

_SETTINGS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    # Spinning OpenMP threads cost five times the wall time when a core is shared.
    "OMP_WAIT_POLICY": "passive",
}


def quiet_libraries() -> None:
    """Switch off the telemetry of every library that is loaded later; set variables stay."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)

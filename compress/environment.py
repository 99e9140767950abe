"""The environment for loading libraries: no messages, no spinning threads."""

from __future__ import annotations

import logging
import os

_SETTINGS = {
    "TRANSFORMERS_VERBOSITY": "error",
    "TF_CPP_MIN_LOG_LEVEL": "2",  # LiteRT's converter; 2 keeps errors
    # Spinning OpenMP threads cost five times the wall time when a core is shared.
    "OMP_WAIT_POLICY": "passive",
}

_LOGGERS = ("torchao", "torch.utils._pytree")
"""transformers imports torchao where it is, and that names each GPU library that it lacks."""


def quiet_libraries() -> None:
    """Set the environment of every library that is loaded later; set variables stay."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)

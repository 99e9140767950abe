"""Import NNCF without its log and its progress bars."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from runtimes.openvino_runtime import import_openvino


@contextmanager
def quiet_nncf() -> Iterator[Any]:
    """Yield the nncf module; its output within the block is discarded."""
    import_openvino()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # deprecations within NNCF's own imports of torch
        import nncf

        nncf.set_log_level(logging.ERROR)
        yield nncf

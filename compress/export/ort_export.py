"""Convert a finished ONNX file to ONNX Runtime's own format, which reduced mobile builds load."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from compress.graph.ort_file import order_ort
from runtimes.errors import BackendError, first_line
from runtimes.onnx_runtime import import_onnxruntime, open_session, session_options

CONFIG = "required_operators_and_types.config"
"""Operators and types, for the `--include_ops_by_config` of ONNX Runtime's build script."""


def export_ort(onnx_path: Path, path: Path) -> None:
    """Write `path` (.ort) and, beside it, the reduced-operator configuration for a mobile build.

    The graph is optimized once, here, up to level "extended": its fusions hold on every CPU. The
    next level rewrites layouts for this machine's vector width (NCHWc), and such a file fails on
    an arm64 board. Raises BackendError when ONNX Runtime cannot convert the graph.
    """
    onnxruntime = import_onnxruntime()
    options = session_options(1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    open_session(onnx_path, 1, options)
    order_ort(path)
    _write_config(path, path.with_name(CONFIG))


def _write_config(path: Path, config: Path) -> None:
    listing = _quiet_tool()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the tool never closes the model
            listing([path], config, True)
    except (RuntimeError, ValueError) as error:
        raise BackendError(
            f"the operators of {path.name} cannot be listed ({first_line(error)})",
            action='leave the format "ort" out, or try another version of onnxruntime',
        ) from error
    lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
    named = [line for line in lines if not line.startswith("#")]  # comments name this folder
    config.write_text("".join(named), encoding="utf-8", newline="\n")


def _quiet_tool() -> Any:
    """Import the tool; it sets up the process's logging at its import, and this undoes that."""
    root = logging.getLogger()
    before = list(root.handlers)
    from onnxruntime.tools.ort_format_model import create_config_from_models

    root.handlers[:] = before
    logging.getLogger("ort_format_model.utils").setLevel(logging.WARNING)
    return create_config_from_models

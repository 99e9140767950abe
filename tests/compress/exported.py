"""Tiny trained models, exported once for all tests that quantize or convert them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from compress.data.dataset import Dataset
from compress.export.stage import Export
from compress.stage import RunContext, Target, execute
from runtimes.artifact import Artifact
from tests.compress.tiny_models import make_data, make_trained_model

_FOLDER = TemporaryDirectory(prefix="edgepress-tests-", ignore_cleanup_errors=True)


@cache
def data() -> Dataset:
    """Return the text set that the models are trained on."""
    return make_data()


@cache
def trained(model_type: str = "bert") -> Artifact:
    """Return a trained tiny model, format huggingface."""
    return make_trained_model(Path(_FOLDER.name) / model_type, model_type, data())


@cache
def exported(model_format: str, model_type: str = "bert") -> Artifact:
    """Return the model's fp32 export: `onnx`, or `openvino` made from it."""
    source = trained(model_type) if model_format == "onnx" else exported("onnx", model_type)
    target = Path(_FOLDER.name) / f"{model_type}-{model_format}"
    return execute(Export(model_format), source, context(model_type), target)  # type: ignore[arg-type]


def context(model_type: str = "bert", *, int8_dot: bool = False) -> RunContext:
    """Return a context with the real rows, by default for a CPU without an 8-bit dot product."""
    scratch = Path(_FOLDER.name) / "scratch"
    scratch.mkdir(exist_ok=True)
    return RunContext(data(), trained(model_type), 7, scratch, Target(int8_dot=int8_dot))

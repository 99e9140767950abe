"""Turn a torch model into the file that a runtime loads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError

from compress.architectures import require
from compress.export.onnx_export import export_onnx
from compress.export.parity import check_parity, example_feeds
from compress.models import TOKENIZER_FILES, load_model, model_inputs
from compress.stage import Made, RunContext

Format = Literal["onnx", "openvino", "tensorrt"]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Export:
    """Export a classifier to `format` and check it against its source at several shapes."""

    kind: ClassVar[str] = "export"
    accepts: ClassVar[tuple[str, ...]] = ("huggingface",)
    retrains: ClassVar[bool] = False

    format: Format = "onnx"

    def produces(self, source_format: str) -> str:
        """Return the format of the result."""
        return self.format

    def check(self, model_type: str, source_format: str) -> list[str]:
        """Raise UnsupportedError for an architecture or a format that cannot be exported."""
        require(model_type, "export")
        return []

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Write the exported model and the tokenizer."""
        if self.format != "onnx":
            raise UnsupportedError(f"export to {self.format}", available="onnx")
        model = load_model(source.path)
        path = folder / "model.onnx"
        export_onnx(model, example_feeds(model.config, 2, 8), source.max_length, path)
        difference = check_parity(model, source.max_length, _onnx_run(path), path)
        copy_tokenizer(source.path, folder)
        return Made(
            format="onnx",
            precision="fp32",
            labels=source.labels,
            max_length=source.max_length,
            parameters=source.parameters,
            inputs=model_inputs(model.config),
            outputs=source.outputs,
            model_type=source.model_type,
            metrics={"torch_difference": difference},
        )


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the tokenizer's files, which an exported model needs as much as its weights."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def _onnx_run(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(["logits"], dict(feeds))[0]

"""The export stage: write a torch model as a file that a runtime loads."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.export.coreml_export import export_coreml
from compress.export.executorch_export import export_executorch
from compress.export.formats import FORMATS, Format, of_torch
from compress.export.litert_export import export_litert, lengths_of
from compress.export.onnx_export import export_onnx
from compress.export.openvino_export import export_openvino
from compress.export.ort_export import export_ort
from compress.export.parity import Run, check_parity, file_run, torch_run
from compress.export.tensorrt_export import export_tensorrt
from compress.graph.executorch_program import SOURCE
from compress.graph.onnx_graph import LOGITS
from compress.graph.torch_program import inputs_of
from compress.models.architectures import BAG, UNKNOWN, require
from compress.models.feeds import ExampleFeeds
from compress.models.outline import outline_of
from compress.models.token_table import reads_table, write_table
from compress.models.torch_model import HEADS_CODE, copy_tokenizer, load_model
from compress.stage import TORCH, Made, Outline, RunContext, Stage
from runtimes.artifact import Artifact
from runtimes.contents import list_files
from runtimes.coreml_runtime import CoreML
from runtimes.errors import UnsupportedError
from runtimes.runtime import TensorSpec, model_files

Inputs = tuple[TensorSpec, ...]

_TORCH = ("torch", "transformers")
_PACKAGES = {
    "tflite": (*_TORCH, "litert_torch", "ai_edge_litert"),
    "executorch": (*_TORCH, "executorch", "torchao"),
    "coreml": (*_TORCH, "coremltools"),
}
_TORCH_WRITERS = {
    "model.tflite": export_litert,
    "model.pte": export_executorch,
    "model.mlpackage.zip": export_coreml,
}
_ONNX_WRITERS = {"model.xml": export_openvino, "model.ort": export_ort}
"""What writes a format, by its file's name."""

_NOT_COMPARED = (
    "Core ML runs on macOS alone: nothing here compares the package with torch, or measures it"
)


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Export(Stage):
    """Export a classifier to `format` and check it against its source at several shapes.

    OpenVINO, TensorRT and `ort` files are made from the ONNX export, which may be the source
    itself; `ort` is made last, of a quantized model too. `tflite`,
    `executorch` and `coreml` are made of the torch model.
    `tensorrt` writes the INT8 ONNX file and the script that builds its engine on the device; its
    ranges come from `calibration_rows` rows of training text.
    """

    kind: ClassVar[str] = "export"
    accepts: ClassVar[tuple[str, ...]] = (TORCH, "onnx")

    format: Format = "onnx"
    calibration_rows: Annotated[int, Field(ge=32, le=10_000)] = 200

    @property
    def uses_data(self) -> bool:
        """Tell whether the stage uses rows: TensorRT's INT8 takes its ranges from them."""
        return self.format == "tensorrt"

    @property
    def _compared(self) -> bool:
        """Tell whether the result runs here; Core ML's converter works where Core ML is not."""
        return self.format != "coreml" or CoreML().availability().ok

    def packages(self, form: str) -> tuple[str, ...]:
        """Return what writes the format, with what torch writes ONNX with."""
        if of_torch(self.format):  # another source is refused, whatever is installed
            return _PACKAGES[self.format] if form == TORCH else ()
        torch = (*_TORCH, "onnxscript") if form == TORCH else ()
        return (*torch, "openvino") if self.format == "openvino" else torch

    def title(self, form: str) -> str:
        """Return the exported format; for TensorRT it is not the final format `form`."""
        return f"export {self.format}"

    def check(self, source: Outline) -> list[str]:
        """Raise UnsupportedError for an architecture or a format that cannot be exported."""
        if source.model_type != UNKNOWN:
            require(source.model_type, "export")
        if source.format == self.format:
            raise UnsupportedError(
                f"export of format {source.format!r} to itself",
                available=", ".join(form for form in FORMATS if form != source.format),
                action="leave the export out: the model has this format already",
            )
        if source.format != TORCH and of_torch(self.format):
            raise UnsupportedError(
                f"export of format {source.format!r} to {self.format!r}",
                expected="the torch model: the converter takes no other",
                action="give the model that this one was exported from",
            )
        if self.format == "tensorrt" and source.model_type == BAG:
            raise UnsupportedError(
                "export of a bag student to 'tensorrt'",
                expected="a model of max_length ids at most; a bag's pairs come on top",
                available="onnx, openvino, ort",
                action="choose one of these, or leave the stage bag out",
            )
        return [] if self._compared else [_NOT_COMPARED]

    def leaves(self, source: Outline) -> Outline:
        """Return the exported outline; the file that TensorRT builds its engine from is ONNX."""
        if self.format == "ort":
            return replace(source, format=self.format, layers=None)
        if source.precision != "fp32":
            raise UnsupportedError(
                f"export of a model whose precision is {source.precision}",
                expected="fp32",
                action="export first, then quantize the exported model",
            )
        if self.format == "tensorrt":
            return replace(source, format="onnx", precision="int8", layers=None, closed=True)
        return replace(source, format=self.format, layers=None)

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Write the exported model and the tokenizer."""
        outline = outline_of(source)
        self.check(outline)
        left = self.leaves(outline)
        copy_tokenizer(source.path, folder)
        if reads_table(source.task):
            write_table(folder, source.max_length, context.progress)
        examples = ExampleFeeds.of(source)
        made = folder / model_files(left.format)[0]
        if self.format == "tensorrt":
            inputs, metrics = self._tensorrt(source, examples, context, folder)
        else:
            write = _of_torch if of_torch(self.format) else _of_onnx
            reference, inputs, metrics = write(source, examples, context, made)
            if self._compared:
                difference = self._difference(source, reference, examples, made)
                metrics = {"difference": difference, **metrics}
        return Made.like(
            source,
            format=left.format,
            precision=left.precision,
            inputs=inputs,
            outputs=_outputs(source, self.format),
            metrics=metrics,
        )

    def _difference(
        self, source: Artifact, reference: Run, examples: ExampleFeeds, made: Path
    ) -> float:
        """Compare the file with its source; raise QualityError where they differ."""
        stated = _outputs(source, self.format)[0] if source.outputs else None
        exported = file_run(made.parent, self.format)
        length = source.max_length
        lengths = lengths_of(length) if self.format == "tflite" else ()
        return check_parity(reference, exported, examples, length, made, stated, lengths)

    def _tensorrt(
        self, source: Artifact, examples: ExampleFeeds, context: RunContext, folder: Path
    ) -> tuple[Inputs, dict[str, float]]:
        plain = context.scratch
        _, inputs = _plain_onnx(source, examples, plain)
        copy_tokenizer(source.path, plain)
        onnx = replace(source, path=plain, format="onnx", inputs=inputs, files=list_files(plain))
        return inputs, export_tensorrt(onnx, self.calibration_rows, context, folder)


def _of_torch(
    source: Artifact, examples: ExampleFeeds, _context: RunContext, made: Path
) -> tuple[Run, Inputs, dict[str, float]]:
    """Write the file `made` of the torch model itself; return reference, inputs, metrics."""
    model = load_model(source.path, source.task)
    inputs = inputs_of(source, examples)
    names = tuple(spec.name for spec in inputs)
    metrics = _TORCH_WRITERS[made.name](model, examples, names, source.max_length, made)
    if made.suffix == ".pte":
        _keep_torch(source, made.with_name(SOURCE))
    return torch_run(model), inputs, metrics


def _keep_torch(source: Artifact, folder: Path) -> None:
    """Copy the torch model, which `quantize` starts from; bundles do not carry it."""
    folder.mkdir()
    for pattern in ("config.json", HEADS_CODE, "*.safetensors"):
        for file in sorted(source.path.glob(pattern)):
            shutil.copyfile(file, folder / file.name)


def _of_onnx(
    source: Artifact, examples: ExampleFeeds, context: RunContext, made: Path
) -> tuple[Run, Inputs, dict[str, float]]:
    """Write the file `made` by way of ONNX; return reference, inputs, metrics."""
    direct = made.name == "model.onnx"
    plain = made.parent if direct else context.scratch
    reference, inputs = _plain_onnx(source, examples, plain)
    if not direct:
        _ONNX_WRITERS[made.name](plain / "model.onnx", made)
    return reference, inputs, {}


def _outputs(source: Artifact, form: str) -> tuple[TensorSpec, ...]:
    """Return the outputs of an export; converters of a torch model call every output logits."""
    if source.format == "onnx" or not of_torch(form):
        return source.outputs
    return tuple(spec._replace(name="logits") for spec in source.outputs)


def _plain_onnx(source: Artifact, examples: ExampleFeeds, folder: Path) -> tuple[Run, Inputs]:
    """Write the fp32 ONNX file into `folder`; return the reference function and the input names."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    if source.format == "onnx":
        for file in source.model_files():
            shutil.copyfile(file, folder / file.name)
        return file_run(source.path, "onnx"), source.inputs
    model = load_model(source.path, source.task)
    feeds = examples.draw(2, 8)
    output = source.outputs[0].name if source.outputs else LOGITS
    names = export_onnx(model, feeds, source.max_length, examples.opening, path, output)
    return torch_run(model), tuple(spec for spec in source.inputs if spec.name in names)

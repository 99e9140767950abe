"""Store a model's weights, and where it pays its activations, in fewer bits."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
from dataclasses import field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.models.architectures import require
from compress.quantize.check import Limits, check_result
from compress.quantize.exclusion import Algorithm, check_names, choose_excluded
from compress.stage import Made, RunContext
from runtimes.artifact import MANIFEST, Artifact
from runtimes.errors import RecipeError, UnsupportedError

Scheme = Literal["int8-dynamic", "int8-static", "int4-weight-only", "fp16", "none"]
Embeddings = Literal["int8", "int4", "fp32"]

_ALGORITHMS: dict[tuple[str, str], str] = {
    ("onnx", "int8-dynamic"): "compress.quantize.int8_dynamic:quantize",
    ("onnx", "int8-static"): "compress.quantize.int8_static:quantize",
    ("onnx", "int4-weight-only"): "compress.quantize.int4_weight_only:quantize",
    ("onnx", "fp16"): "compress.quantize.float16:quantize",
    ("openvino", "int8-dynamic"): "compress.quantize.openvino_weights:quantize_int8",
    ("openvino", "int8-static"): "compress.quantize.openvino_static:quantize",
    ("openvino", "int4-weight-only"): "compress.quantize.openvino_weights:quantize_int4",
    ("openvino", "fp16"): "compress.quantize.openvino_float16:quantize",
}
"""The function that writes each format in each scheme; what is not here is not supported."""

_EMBEDDINGS: dict[tuple[str, str], tuple[Embeddings, ...]] = {
    ("onnx", "int8-dynamic"): ("int8", "int4", "fp32"),
    ("onnx", "int8-static"): ("int8", "int4", "fp32"),
    ("onnx", "int4-weight-only"): ("int4", "int8", "fp32"),
    ("openvino", "int4-weight-only"): ("int8", "int4"),
}
"""The widths of embeddings that a scheme can be given, its own first; NNCF chooses the rest."""

_EXCLUDING = (("onnx", "int8-dynamic"), ("onnx", "int8-static"))
"""The schemes that can leave single nodes in fp32."""

_REDUCING = (*_EXCLUDING, ("openvino", "int8-static"))
"""The schemes whose weights keep 7 bits for a CPU without an 8-bit dot product."""

_PRECISIONS = {
    "int8-dynamic": "int8",
    "int8-static": "int8",
    "int4-weight-only": "int4",
    "fp16": "fp16",
}

_LARGEST = {"int8-dynamic": 0.55, "int8-static": 0.55, "int4-weight-only": 0.5, "fp16": 0.6}
"""Largest size of a result as a part of its fp32 source's, with the embeddings quantized."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Quantize:
    """Quantize an exported model and check the result on real rows against its source.

    `embeddings` None takes the scheme's own width. `weights` int4 narrows those that int8-dynamic
    multiplies with one token alone. `calibration_rows` real training rows set static ranges.
    `block_size` weights share a 4-bit scale; None takes 32, or 128 for one token, where wider
    blocks are faster. INT8 leaves the nodes that `exclude` names in fp32; "auto" finds the
    fewest that keep the share of changed answers within `max_drop`. That is also the loss of
    accuracy (0..1) on validation rows that is still a result; the gate judges more finely.
    """

    kind: ClassVar[str] = "quantize"
    accepts: ClassVar[tuple[str, ...]] = ("onnx", "openvino")
    retrains: ClassVar[bool] = False
    uses_data: ClassVar[bool] = True

    scheme: Scheme = "int8-dynamic"
    weights: Literal["int8", "int4"] = "int8"
    embeddings: Embeddings | None = None
    calibration_rows: Annotated[int, Field(ge=32, le=10_000)] = 200
    block_size: Literal[16, 32, 64, 128] | None = None
    exclude: list[str] | Literal["auto"] = field(default_factory=list)
    max_drop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.03

    def produces(self, source_format: str) -> str:
        """Return the source's format: quantizing does not change it."""
        return source_format

    def check(self, model_type: str, source_format: str) -> list[str]:
        """Raise UnsupportedError when the format has no such scheme, RecipeError on a clash."""
        require(model_type, "quantize")
        self._algorithm(source_format)
        widths = _EMBEDDINGS.get((source_format, self.scheme), ())
        if self.embeddings is not None and self.embeddings not in widths:
            raise RecipeError(
                f"embeddings {self.embeddings!r} with scheme {self.scheme!r} on {source_format}",
                available=", ".join(widths) or "none: the scheme decides",
                action="leave `embeddings` out",
            )
        if self.exclude and (source_format, self.scheme) not in _EXCLUDING:
            raise RecipeError(
                f"exclude with scheme {self.scheme!r} on {source_format}",
                expected="scheme 'int8-dynamic' or 'int8-static' on onnx",
                action="leave `exclude` out",
            )
        if self.weights == "int4" and (source_format, self.scheme) != ("onnx", "int8-dynamic"):
            raise RecipeError(
                f"weights 'int4' with scheme {self.scheme!r} on {source_format}",
                expected="scheme 'int8-dynamic' on onnx",
                action="leave `weights` out, or use scheme 'int4-weight-only' for all weights",
            )
        return []

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Write the quantized model beside the tokenizer, and prove it on validation rows."""
        self.check(source.model_type, source.format)
        if self.scheme == "none":
            _copy(source, folder)
            return _describe(source, source.precision, {})
        if source.precision != "fp32":
            raise UnsupportedError(
                f"{source.path}: its precision is {source.precision} already",
                expected="fp32",
                action="quantize the export itself",
            )
        module, _, name = self._algorithm(source.format).partition(":")
        _copy(source, folder, but=(".onnx", ".xml", ".bin"))
        algorithm: Algorithm = getattr(importlib.import_module(module), name)
        excluded = self._excluded(algorithm, source, context)
        settings = dataclasses.replace(self, exclude=list(excluded))
        algorithm(source, settings, context, folder)
        metrics = check_result(source, folder, self._limits(), context)
        if (source.format, self.scheme) in _REDUCING:
            metrics["weight_bits"] = 8 if context.target.int8_dot else 7
        metrics |= {f"excluded {node}": round(loss, 6) for node, loss in excluded.items()}
        return _describe(source, _PRECISIONS[self.scheme], metrics)

    def _excluded(
        self, algorithm: Algorithm, source: Artifact, context: RunContext
    ) -> dict[str, float]:
        """Return the nodes that stay fp32, with what they would lose where that was measured."""
        if self.exclude == "auto":
            return choose_excluded(algorithm, source, self, context)
        if self.exclude:
            check_names(source, self.exclude)
        return dict.fromkeys(self.exclude, 0.0)

    def _limits(self) -> Limits:
        largest = _LARGEST[self.scheme] if self.embeddings != "fp32" else 0.95
        return Limits(self.scheme, largest, self.max_drop)

    def _algorithm(self, source_format: str) -> str:
        if self.scheme == "none":
            return ""
        found = _ALGORITHMS.get((source_format, self.scheme))
        if found is None:
            here = sorted(scheme for form, scheme in _ALGORITHMS if form == source_format)
            raise UnsupportedError(
                f"scheme {self.scheme!r} on format {source_format!r}",
                available=", ".join(here) or "none",
                action="choose another scheme, or export to another format",
            )
        return found


def _copy(source: Artifact, folder: Path, but: tuple[str, ...] = ()) -> None:
    for file in sorted(source.path.iterdir()):
        if file.is_file() and file.name != MANIFEST and not file.name.endswith(but or ("\0",)):
            shutil.copyfile(file, folder / file.name)


def _describe(source: Artifact, precision: str, metrics: dict[str, float]) -> Made:
    return Made(
        format=source.format,
        precision=precision,
        labels=source.labels,
        max_length=source.max_length,
        parameters=source.parameters,
        inputs=source.inputs,
        outputs=source.outputs,
        model_type=source.model_type,
        metrics=metrics,
    )

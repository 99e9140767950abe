"""The quantize stage: store weights, and in some schemes activations, in fewer bits."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
from dataclasses import field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.models.architectures import UNKNOWN, require
from compress.models.outline import outline_of
from compress.models.torch_model import TOKENIZER_FILES
from compress.quantize.check import Limits, check_result, require_answers
from compress.quantize.exclusion import Algorithm, check_names, choose_excluded
from compress.quantize.schemes import (
    NONE,
    SCHEMES,
    Embeddings,
    Scheme,
    known_scheme,
    scheme_of,
    schemes_text,
)
from compress.stage import Made, Outline, RunContext, Stage
from compress.tasks import require_one_token
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError, UnsupportedError


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Quantize(Stage):
    """Quantize an exported model and check the result on real rows against its source.

    `embeddings` None uses the scheme's default width. `weights` int4 stores the weights of
    one-token products in 4 bits in int8-dynamic. `calibration_rows` real training rows determine
    static ranges. `block_size` weights share a 4-bit scale; None means 32, or 128 for one-token
    products, where wider blocks are faster. INT8 leaves the nodes that `exclude` names in fp32;
    "auto" finds the fewest that keep the share of changed answers within `max_drop`. This is also
    the largest accepted loss of accuracy (0..1) on validation rows; the gate is more precise.
    """

    kind: ClassVar[str] = "quantize"
    accepts: ClassVar[tuple[str, ...]] = ("onnx", "openvino", "tflite", "executorch")

    scheme: Annotated[str, AfterValidator(known_scheme)] = "int8-dynamic"
    weights: Literal["int8", "int4"] = "int8"
    embeddings: Embeddings | None = None
    calibration_rows: Annotated[int, Field(ge=32, le=10_000)] = 200
    block_size: Literal[16, 32, 64, 128] | None = None
    exclude: list[str] | Literal["auto"] = field(default_factory=list)
    max_drop: Annotated[float, Field(ge=0.0, le=1.0)] = 0.03

    @property
    def modules(self) -> tuple[str, ...]:
        """Return this module and those of the scheme's algorithms."""
        algorithms = [row.algorithm for row in SCHEMES if row.name == self.scheme]
        return (__name__, *(algorithm.partition(":")[0] for algorithm in algorithms))

    def packages(self, form: str) -> tuple[str, ...]:
        """Return the format's quantizer; what ONNX Runtime's lacks are the imports of its INT4."""
        if form == "openvino":
            return ("openvino", "nncf")
        if form == "tflite":
            return ("ai_edge_quantizer", "ai_edge_litert")
        if form == "executorch":
            return ("executorch", "torchao", "torch", "transformers")
        return ("onnx_ir",) if "int4" in (self.weights, self.scheme[:4]) else ()

    def title(self, form: str) -> str:
        """Return the scheme and the format."""
        return f"{self.scheme} {form}"

    def check(self, source: Outline) -> list[str]:
        """Raise UnsupportedError when the format has no such scheme, RecipeError on a clash."""
        row = scheme_of(source.format, self.scheme)
        if self.embeddings is not None and self.embeddings not in row.embeddings:
            raise RecipeError(
                f"embeddings {self.embeddings!r} with scheme {self.scheme!r} on {source.format}",
                available=", ".join(row.embeddings) or "none: the scheme decides",
                action="leave `embeddings` out",
            )
        if self.exclude and not row.excludes:
            raise RecipeError(
                f"exclude with scheme {self.scheme!r} on {source.format}",
                expected=schemes_text([row for row in SCHEMES if row.excludes]),
                action="leave `exclude` out",
            )
        if self.weights == "int4" and not row.one_token:
            raise RecipeError(
                f"weights 'int4' with scheme {self.scheme!r} on {source.format}",
                expected=schemes_text([row for row in SCHEMES if row.one_token]),
                action="leave `weights` out, or use scheme 'int4-weight-only' for all weights",
            )
        if self.weights == "int4":
            require_one_token(source.task, "quantize: weights 'int4'")
        if source.model_type == UNKNOWN:
            return ["nothing names the architecture: quantize may not have been tried on it"]
        require(source.model_type, self.kind)
        return []

    def leaves(self, source: Outline) -> Outline:
        """Return the source's outline in the scheme's precision; refuse a quantized source."""
        if self.scheme == NONE:
            return source
        if source.precision != "fp32":
            raise UnsupportedError(
                f"quantize of a model whose precision is {source.precision} already",
                expected="fp32",
                action="quantize the export itself, and only once",
            )
        return dataclasses.replace(
            source, precision=scheme_of(source.format, self.scheme).precision
        )

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Write the quantized model beside the tokenizer, and check it on validation rows."""
        outline = outline_of(source)
        self.check(outline)
        left = self.leaves(outline)
        require_answers(source, context.data)
        _copy_beside(source, folder)
        if self.scheme == NONE:
            for file in source.model_files():
                shutil.copyfile(file, folder / file.name)
            return Made.like(source)
        row = scheme_of(source.format, self.scheme)
        module, _, name = row.algorithm.partition(":")
        algorithm: Algorithm = getattr(importlib.import_module(module), name)
        excluded = self._excluded(algorithm, source, context)
        settings = dataclasses.replace(self, exclude=list(excluded))
        algorithm(source, settings, context, folder)
        metrics = check_result(source, folder, self._limits(row), context)
        if row.reduces_range:
            metrics["weight_bits"] = 8 if context.target.int8_dot else 7
        metrics |= {f"excluded {node}": round(loss, 6) for node, loss in excluded.items()}
        return Made.like(source, precision=left.precision, metrics=metrics)

    def _excluded(
        self, algorithm: Algorithm, source: Artifact, context: RunContext
    ) -> dict[str, float]:
        """Return the nodes that stay fp32, with their own loss where it was measured."""
        if self.exclude == "auto":
            return choose_excluded(algorithm, source, self, context)
        if self.exclude:
            check_names(source, self.exclude)
        return dict.fromkeys(self.exclude, 0.0)

    def _limits(self, row: Scheme) -> Limits:
        largest = row.largest if self.embeddings != "fp32" else 0.95
        return Limits(self.scheme, largest, self.max_drop, row.advice)


def _copy_beside(source: Artifact, folder: Path) -> None:
    """Copy the files that a model needs to run, but not a bundle's code."""
    for name in dict.fromkeys((*source.task_files(), *TOKENIZER_FILES)):
        if name in source.files:
            shutil.copyfile(source.path / name, folder / name)

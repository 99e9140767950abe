"""Run TFLite models in LiteRT on the CPU, with its XNNPACK delegate."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from runtimes.errors import ArtifactError, BackendError, InputError, first_line
from runtimes.packages import import_package, package_availability
from runtimes.runtime import Availability, Opened, TensorSpec, arrays_for

if TYPE_CHECKING:
    from _typeshed import StrPath
    from numpy.typing import NDArray

    from runtimes.runtime import Feeds, Outputs

SIGNATURE = "tokens_"
"""What a signature's name begins with; the number of tokens that it takes follows."""


class LiteRT:
    """Open TFLite models that have one signature for each of several lengths.

    TFLite's shapes are fixed. A row runs alone, in the shortest signature that it fits; what is
    left of that is padding, which the attention mask hides.
    """

    name: ClassVar[str] = "litert"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"tflite": ("model.tflite",)}
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    packages: ClassVar[tuple[str, ...]] = (
        "numpy",
        "ai_edge_litert",
    )
    deployed: ClassVar[bool] = True

    def availability(self) -> Availability:
        """Tell whether ai-edge-litert is installed, without importing it."""
        return package_availability("ai_edge_litert", "ai-edge-litert")

    def open(self, model: StrPath, threads: int) -> Opened:
        """Open an interpreter, which serves one thread at a time.

        Raises ArtifactError on a damaged file, or one without signatures for lengths.
        """
        version = self.availability().version or "unknown"
        litert = import_package("ai_edge_litert.interpreter")
        try:
            interpreter = litert.Interpreter(str(model), num_threads=threads or None)
            signatures = _signatures(interpreter)
        except Exception as error:  # the bindings raise ValueError and RuntimeError for all faults
            raise ArtifactError(
                f"{model}: LiteRT cannot load it ({first_line(error)})",
                expected="an intact TFLite model",
                action="make the artifact again",
            ) from error
        if not signatures:
            raise ArtifactError(
                f"{model}: a TFLite model without signatures named {SIGNATURE}8, {SIGNATURE}16, …",
                expected="one that `edgepress export --format tflite` wrote",
                action="export the model again",
            )
        run = _Buckets(signatures)
        return Opened(self.name, version, run.inputs, run.outputs, run)


def _signatures(interpreter: Any) -> dict[int, Any]:
    """Return the runner of each length, the shortest first."""
    names = [name for name in interpreter.get_signature_list() if name.startswith(SIGNATURE)]
    lengths = sorted(int(name.removeprefix(SIGNATURE)) for name in names)
    return {length: interpreter.get_signature_runner(f"{SIGNATURE}{length}") for length in lengths}


class _Buckets:
    """Run each row of a batch in the shortest signature that it fits."""

    def __init__(self, signatures: dict[int, Any]) -> None:
        self._signatures = signatures
        self._lock = threading.Lock()
        any_one = next(iter(signatures.values()))
        self.inputs = tuple(
            TensorSpec(name, np.dtype(detail["dtype"]).name, ("batch", "sequence"))
            for name, detail in any_one.get_input_details().items()
        )
        self.outputs = tuple(
            TensorSpec(
                name, np.dtype(detail["dtype"]).name, ("batch", *map(int, detail["shape"][1:]))
            )
            for name, detail in any_one.get_output_details().items()
        )
        self._arrays = arrays_for(self.inputs)

    def __call__(self, feeds: Feeds) -> Outputs:
        """Return the outputs for one batch; a row beyond the longest signature is an InputError."""
        arrays = self._arrays(feeds)
        rows, tokens = next(iter(arrays.values())).shape
        length = self._fitting(tokens)
        padded = {name: _padded(array, length) for name, array in arrays.items()}
        with self._lock:
            answers = [
                self._run(length, {name: array[[row]] for name, array in padded.items()})
                for row in range(rows)
            ]
        return {
            spec.name: np.concatenate([one[spec.name] for one in answers]) for spec in self.outputs
        }

    def _fitting(self, tokens: int) -> int:
        for length in self._signatures:
            if tokens <= length:
                return length
        raise InputError(
            f"a row of {tokens} tokens",
            expected=f"at most {max(self._signatures)}, the longest that this file was made for",
            action="cut the row, or export the model again with a larger max_length",
        )

    def _run(self, length: int, feeds: Feeds) -> dict[str, NDArray[Any]]:
        try:
            outputs: dict[str, NDArray[Any]] = self._signatures[length](**feeds)
        except Exception as error:  # the bindings raise ValueError and RuntimeError for all faults
            raise BackendError(
                f"LiteRT: {first_line(error)}",
                action="try one row alone; where that fails too, export the model again",
            ) from error
        return outputs


def _padded(array: NDArray[Any], length: int) -> NDArray[Any]:
    """Return an array (rows, tokens) with zeros up to `length` tokens."""
    rows, tokens = array.shape
    if tokens == length:
        return array
    result = np.zeros((rows, length), array.dtype)
    result[:, :tokens] = array
    return result

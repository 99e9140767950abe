"""Run ExecuTorch programs on the CPU, with its XNNPACK delegate; torch holds the tensors."""

from __future__ import annotations

import threading
import warnings
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

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""The inputs in the order of every export; a program knows only how many it has."""


class ExecuTorch:
    """Open programs that take one row of any length up to their bound; rows run one by one."""

    name: ClassVar[str] = "executorch"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"executorch": ("model.pte",)}
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "executorch", "torch")
    deployed: ClassVar[bool] = True

    def availability(self) -> Availability:
        """Tell whether executorch and torch are installed, without importing them."""
        torch = package_availability("torch")
        return package_availability("executorch", "executorch") if torch.ok else torch

    def open(self, model: StrPath, threads: int) -> Opened:
        """Load a program; `threads` of the first one that is opened hold for the whole process.

        Raises ArtifactError on a damaged file.
        """
        version = self.availability().version or "unknown"
        executorch = _import_executorch()
        _set_threads(executorch, threads)
        try:
            program = executorch._load_for_executorch(str(model))
            meta = program.method_meta("forward")
        except Exception as error:  # the bindings raise RuntimeError for all faults
            raise ArtifactError(
                f"{model}: ExecuTorch cannot load it ({first_line(error)})",
                expected="an intact .pte file with a method forward",
                action="make the artifact again",
            ) from error
        run = _Program(program, meta)
        return Opened(self.name, version, run.inputs, run.outputs, run)


def _import_executorch() -> Any:
    """Import the bindings, and the kernels of quantized embeddings, which register themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the interface is experimental
        import_package("executorch.kernels.quantized")
        return import_package("executorch.extension.pybindings.portable_lib")


_threads_set = threading.Event()


def _set_threads(executorch: Any, threads: int) -> None:
    """Set XNNPACK's threads, once: an open program keeps the old pool, and a new one ends it.

    A second reset ended the process with a segmentation fault (seen in 1.5.1).
    """
    if not _threads_set.is_set():
        _threads_set.set()
        if threads:
            executorch._unsafe_reset_threadpool(threads)


class _Program:
    """Run each row of a batch by itself: the program was lowered for one."""

    def __init__(self, program: Any, meta: Any) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._longest = int(meta.input_tensor_meta(0).sizes()[1])
        self.inputs = tuple(
            TensorSpec(name, "int64", ("batch", "sequence"))
            for name in _INPUTS[: meta.num_inputs()]
        )
        classes = int(meta.output_tensor_meta(0).sizes()[-1])
        self.outputs = (TensorSpec("logits", "float32", ("batch", classes)),)
        self._arrays = arrays_for(self.inputs)

    def __call__(self, feeds: Feeds) -> Outputs:
        """Return the logits of one batch; a row beyond the program's bound is an InputError."""
        arrays = self._arrays(feeds)
        rows, tokens = arrays["input_ids"].shape
        if tokens > self._longest:
            raise InputError(
                f"a row of {tokens} tokens",
                expected=f"at most {self._longest}, the longest that this file was made for",
                action="cut the row, or export the model again with a larger max_length",
            )
        with self._lock:
            return {"logits": np.concatenate([self._row(arrays, row) for row in range(rows)])}

    def _row(self, arrays: Mapping[str, NDArray[Any]], row: int) -> NDArray[Any]:
        import torch

        given = [torch.from_numpy(arrays[spec.name][[row]]) for spec in self.inputs]
        try:
            logits: NDArray[Any] = self._program.forward(given)[0].numpy()
        except Exception as error:  # the bindings raise RuntimeError for all faults
            raise BackendError(
                f"ExecuTorch: {first_line(error)}",
                action="try one row alone; where that fails too, export the model again",
            ) from error
        return logits

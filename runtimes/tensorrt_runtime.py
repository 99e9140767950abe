"""Run TensorRT engines on an NVIDIA GPU; torch holds the device buffers."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from runtimes.errors import ArtifactError, BackendError, first_line
from runtimes.packages import import_package, package_availability, require_available
from runtimes.runtime import Availability, Opened, TensorSpec, arrays_for

if TYPE_CHECKING:
    from _typeshed import StrPath
    from numpy.typing import NDArray

    from runtimes.runtime import Feeds, Outputs

_DRIVERS = ("libcuda.so.1", "nvcuda.dll")


class TensorRT:
    """Open engines that were built by this TensorRT version for this GPU's architecture."""

    name: ClassVar[str] = "tensorrt"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {"tensorrt": ("model.engine",)}
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "tensorrt", "torch")
    deployed: ClassVar[bool] = True

    def availability(self) -> Availability:
        """Tell whether tensorrt, torch and an NVIDIA driver are here, without importing them."""
        state = package_availability("tensorrt", "tensorrt", "tensorrt-cu13", "tensorrt-cu12")
        torch = package_availability("torch")
        if not (state.ok and torch.ok):
            return torch if state.ok else state
        if not _has_driver():
            return Availability(False, "no NVIDIA driver: libcuda cannot be loaded", state.version)
        return state

    def open(self, model: StrPath, threads: int) -> Opened:
        """Deserialize an engine and open its execution context.

        Raises UnsupportedError when the package or the driver is missing, ArtifactError when the
        engine is damaged, or made for another TensorRT or GPU.
        """
        require_available(self)
        tensorrt = import_package("tensorrt")
        runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
        try:
            engine = runtime.deserialize_cuda_engine(Path(model).read_bytes())
        except RuntimeError as error:
            raise BackendError(
                f"TensorRT: {first_line(error)}", action="build the engine again on this machine"
            ) from error
        if engine is None:  # TensorRT logs the reason to stderr and returns None
            raise ArtifactError(
                f"{model}: TensorRT {tensorrt.__version__} cannot load it",
                expected="an engine built by this TensorRT version for this GPU",
                action="build it on this machine with the script that `edgepress export` writes",
            )
        inputs, outputs = _specs(tensorrt, engine)
        run = _Execution(engine, inputs, outputs)
        return Opened(self.name, tensorrt.__version__, inputs, outputs, run)


class _Execution:
    """Run one execution context on its own stream; outputs are copied to the host."""

    def __init__(
        self, engine: Any, inputs: tuple[TensorSpec, ...], outputs: Sequence[TensorSpec]
    ) -> None:
        import torch

        self._context: Any = engine.create_execution_context()
        self._stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._arrays = arrays_for(inputs)
        self._outputs = outputs

    def __call__(self, feeds: Feeds) -> Outputs:
        """Return the outputs for one batch; a shape outside the engine's profiles fails."""
        arrays = self._arrays(feeds)
        try:
            return self._executed(arrays)
        except RuntimeError as error:
            raise BackendError(
                f"TensorRT: {first_line(error)}",
                action="give rows within the engine's profiles, or build it for longer ones",
            ) from error

    def _executed(self, arrays: Mapping[str, NDArray[Any]]) -> Outputs:
        import torch

        with torch.cuda.stream(self._stream):
            held = {name: torch.from_numpy(array.copy()).cuda() for name, array in arrays.items()}
            for name, tensor in held.items():
                if not self._context.set_input_shape(name, tuple(tensor.shape)):
                    raise RuntimeError(f"{name}: shape {tuple(tensor.shape)} is in no profile")
            outputs = {spec.name: self._output(spec) for spec in self._outputs}
            for name, tensor in {**held, **outputs}.items():
                self._context.set_tensor_address(name, tensor.data_ptr())
            if not self._context.execute_async_v3(self._stream.cuda_stream):
                raise RuntimeError("the execution could not be started")
            self._stream.synchronize()
            return {name: tensor.cpu().numpy() for name, tensor in outputs.items()}

    def _output(self, spec: TensorSpec) -> Any:
        import torch

        shape = tuple(self._context.get_tensor_shape(spec.name))
        return torch.empty(shape, dtype=getattr(torch, spec.dtype), device="cuda")


def _specs(tensorrt: Any, engine: Any) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the engine's inputs and outputs."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    fed = {name for name in names if engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT}
    inputs = tuple(_spec(tensorrt, engine, name) for name in names if name in fed)
    return inputs, tuple(_spec(tensorrt, engine, name) for name in names if name not in fed)


def _spec(tensorrt: Any, engine: Any, name: str) -> TensorSpec:
    dtype = np.dtype(tensorrt.nptype(engine.get_tensor_dtype(name))).name
    shape = tuple(
        f"dynamic_{axis}" if size < 0 else int(size)
        for axis, size in enumerate(engine.get_tensor_shape(name))
    )
    return TensorSpec(name, dtype, shape)


def _has_driver() -> bool:
    for name in _DRIVERS:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False

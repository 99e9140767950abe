"""Run TensorRT engines on an NVIDIA GPU; torch holds the device buffers."""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from runtimes.artifact import Artifact, TensorSpec
from runtimes.errors import ArtifactError, BackendError, first_line
from runtimes.feeds import check_text_feeds
from runtimes.packages import package_availability, require_available, require_format
from runtimes.session import Availability, Feeds, SessionOptions

_DRIVERS = ("libcuda.so.1", "nvcuda.dll")


class TensorRT:
    """Load engines that were built by this TensorRT version for this GPU's architecture."""

    name: ClassVar[str] = "tensorrt"
    formats: ClassVar[tuple[str, ...]] = ("tensorrt",)
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8")
    deployed: ClassVar[bool] = True
    # "cpu" is what options say by default; an engine belongs to its GPU whatever they say.
    devices: ClassVar[tuple[str, ...]] = ("cuda", "cpu")

    def availability(self) -> Availability:
        """Tell whether tensorrt, torch and an NVIDIA driver are here, importing neither."""
        for module in ("torch", "tensorrt"):
            state = package_availability(module, module, "tensorrt-cu13", "tensorrt-cu12")
            if not state.ok:
                return state
        if not _has_driver():
            return Availability(False, "no NVIDIA driver: libcuda cannot be loaded", state.version)
        return state

    def load(self, artifact: Artifact, options: SessionOptions) -> TensorRTSession:
        """Deserialize an engine and open its execution context.

        Raises UnsupportedError when the package, the driver or the format is missing,
        ArtifactError when the engine is another TensorRT's, another GPU's or damaged.
        """
        require_available(self)
        require_format(self, artifact, options)
        try:
            engine = _deserialize(artifact.model_file.read_bytes())
        except RuntimeError as error:
            raise BackendError(f"TensorRT: {first_line(error)}") from error
        if engine is None:  # TensorRT logs why to stderr and returns None
            raise ArtifactError(
                f"{artifact.model_file}: TensorRT {self.availability().version} cannot load it",
                expected="an engine built by this TensorRT version for this GPU",
                action="build it on this machine with the script that `edgepress export` writes",
            )
        return TensorRTSession(engine)


class TensorRTSession:
    """Hold one engine, its execution context and the stream that it runs on."""

    def __init__(self, engine: Any) -> None:
        import tensorrt
        import torch

        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [
            name for name in names if engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT
        ]
        self._context: Any = engine.create_execution_context()
        self._stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.inputs: tuple[TensorSpec, ...] = tuple(_spec(engine, name) for name in inputs)
        self.outputs: tuple[TensorSpec, ...] = tuple(
            _spec(engine, name) for name in names if name not in inputs
        )

    def infer(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Return the outputs for one batch, copied to the host.

        Raises InputError on feeds that do not fit, BackendError when a shape is outside the
        engine's profiles or the run fails.
        """
        check_text_feeds(self.inputs, feeds)
        if self._context is None:
            raise BackendError("the session is closed", action="load the model again")
        try:
            return self._run(feeds)
        except RuntimeError as error:
            raise BackendError(f"TensorRT: {first_line(error)}") from error

    def _run(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        import torch

        with torch.cuda.stream(self._stream):
            held = {name: torch.from_numpy(array.copy()).cuda() for name, array in feeds.items()}
            for name, tensor in held.items():
                if not self._context.set_input_shape(name, tuple(tensor.shape)):
                    raise RuntimeError(f"{name}: shape {tuple(tensor.shape)} is in no profile")
            outputs = {spec.name: self._output(spec) for spec in self.outputs}
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context = None


def _deserialize(plan: bytes) -> Any:
    import tensorrt

    runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
    return runtime.deserialize_cuda_engine(plan)


def _spec(engine: Any, name: str) -> TensorSpec:
    import tensorrt

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

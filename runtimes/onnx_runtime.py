"""Run ONNX models in ONNX Runtime on the CPU."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from runtimes import predict
from runtimes.artifact import Artifact, TensorSpec
from runtimes.errors import ArtifactError, BackendError, first_line
from runtimes.feeds import check_text_feeds
from runtimes.onnx_external import check_external_data
from runtimes.packages import package_availability, require_available, require_format
from runtimes.session import Availability, Feeds, SessionOptions

_DTYPES = {"float": "float32", "double": "float64"}
_DAMAGED = {"InvalidProtobuf", "InvalidGraph", "NoModel", "NoSuchFile", "ModelLoadCanceled"}
"""Exceptions of ONNX Runtime that speak of the file; all others speak of the backend."""


class OnnxRuntime:
    """Load ONNX artifacts with ONNX Runtime's CPU execution provider."""

    name: ClassVar[str] = "onnxruntime"
    formats: ClassVar[tuple[str, ...]] = ("onnx",)
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8", "int4")
    deployed: ClassVar[bool] = True

    def availability(self) -> Availability:
        """Tell whether onnxruntime is installed, without importing it."""
        return package_availability("onnxruntime", "onnxruntime-gpu")

    def load(self, artifact: Artifact, options: SessionOptions) -> OnnxSession:
        """Open a session.

        Raises UnsupportedError when the package or the format does not fit, ArtifactError on a
        damaged file, BackendError when ONNX Runtime refuses the model.
        """
        require_available(self)
        require_format(self, artifact, options)
        check_external_data(artifact.model_file)
        try:
            return OnnxSession(predict.open_onnxruntime(artifact.model_file, options.threads))
        except Exception as error:  # onnxruntime's exceptions share no base but Exception
            raise _translated(artifact, error) from error


class OnnxSession:
    """Hold one onnxruntime.InferenceSession."""

    def __init__(self, session: Any) -> None:
        self._session: Any = session
        self.inputs: tuple[TensorSpec, ...] = tuple(map(_spec, session.get_inputs()))
        self.outputs: tuple[TensorSpec, ...] = tuple(map(_spec, session.get_outputs()))

    def infer(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Return the outputs for one batch.

        Raises InputError on feeds that do not fit, BackendError when the run fails.
        """
        check_text_feeds(self.inputs, feeds)
        if self._session is None:
            raise BackendError("the session is closed", action="load the model again")
        names = [spec.name for spec in self.outputs]
        try:
            arrays = self._session.run(names, dict(feeds))
        except Exception as error:  # onnxruntime's exceptions share no base but Exception
            raise BackendError(f"ONNX Runtime: {first_line(error)}") from error
        return dict(zip(names, arrays, strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session = None


def _translated(artifact: Artifact, error: Exception) -> ArtifactError | BackendError:
    said = f"{artifact.model_file}: ONNX Runtime cannot load it ({first_line(error)})"
    if type(error).__name__ in _DAMAGED:
        return ArtifactError(
            said, expected="an intact ONNX model", action="make the artifact again"
        )
    return BackendError(said)


def _spec(node: Any) -> TensorSpec:
    dtype = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(
        size if isinstance(size, int) else str(size or f"dynamic_{axis}")
        for axis, size in enumerate(node.shape)
    )
    return TensorSpec(node.name, _DTYPES.get(dtype, dtype), shape)

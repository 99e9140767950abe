"""Run OpenVINO IR and ONNX models in OpenVINO on the CPU."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from runtimes import predict
from runtimes.artifact import Artifact, TensorSpec
from runtimes.errors import ArtifactError, BackendError, first_line
from runtimes.feeds import check_text_feeds
from runtimes.onnx_external import check_external_data
from runtimes.packages import package_availability, require_available, require_format
from runtimes.session import Availability, Feeds, SessionOptions


class OpenVINO:
    """Load OpenVINO IR, or ONNX, with OpenVINO's CPU device."""

    name: ClassVar[str] = "openvino"
    formats: ClassVar[tuple[str, ...]] = ("openvino", "onnx")
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8", "int4")
    deployed: ClassVar[bool] = True

    def availability(self) -> Availability:
        """Tell whether openvino is installed, without importing it."""
        return package_availability("openvino")

    def load(self, artifact: Artifact, options: SessionOptions) -> OpenVINOSession:
        """Compile the model and open its one request.

        Raises UnsupportedError when the package or the format does not fit, ArtifactError on a
        damaged file, BackendError when OpenVINO refuses the model.
        """
        require_available(self)
        require_format(self, artifact, options)
        if artifact.format == "onnx":
            check_external_data(artifact.model_file)
        try:
            network = predict.read_openvino(artifact.model_file)
        except Exception as error:  # openvino raises RuntimeError for nearly everything
            raise ArtifactError(
                f"{artifact.model_file}: OpenVINO cannot read it ({first_line(error)})",
                expected="an intact model, with model.bin beside model.xml",
                action="make the artifact again",
            ) from error
        try:
            return OpenVINOSession(predict.compile_openvino(network, options.threads))
        except Exception as error:
            raise BackendError(
                f"{artifact.model_file}: OpenVINO cannot compile it ({first_line(error)})"
            ) from error


class OpenVINOSession:
    """Hold one compiled model and its one inference request."""

    def __init__(self, compiled: Any) -> None:
        self._request: Any = compiled.create_infer_request()
        self.inputs: tuple[TensorSpec, ...] = tuple(map(_spec, compiled.inputs))
        self.outputs: tuple[TensorSpec, ...] = tuple(map(_spec, compiled.outputs))

    def infer(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Return the outputs for one batch.

        Raises InputError on feeds that do not fit, BackendError when the run fails.
        """
        check_text_feeds(self.inputs, feeds)
        if self._request is None:
            raise BackendError("the session is closed", action="load the model again")
        try:
            results = self._request.infer(dict(feeds), share_inputs=True)
        except Exception as error:  # openvino raises RuntimeError for nearly everything
            raise BackendError(f"OpenVINO: {first_line(error)}") from error
        return {spec.name: results[index] for index, spec in enumerate(self.outputs)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._request = None


def _spec(port: Any) -> TensorSpec:
    shape = tuple(
        f"dynamic_{axis}" if size.is_dynamic else size.get_length()
        for axis, size in enumerate(port.partial_shape)
    )
    return TensorSpec(port.any_name, np.dtype(port.element_type.to_dtype()).name, shape)

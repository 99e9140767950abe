"""Run ONNX models, and those in its own format ORT, in ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from runtimes.errors import ArtifactError, BackendError, first_line
from runtimes.onnx_external import check_external_data
from runtimes.packages import import_package, package_availability
from runtimes.runtime import Availability, Opened, TensorSpec, arrays_for

if TYPE_CHECKING:
    from _typeshed import StrPath

    from runtimes.runtime import Feeds, Outputs

_DTYPES = {"float": "float32", "double": "float64", "string": "object"}
_DAMAGED = {"InvalidProtobuf", "InvalidGraph", "NoModel", "NoSuchFile", "ModelLoadCanceled"}
"""Exceptions of ONNX Runtime that concern the file; all others concern the backend."""

_NOT_ORT = "ORT model verification failed"
"""What ONNX Runtime says of a damaged file in its own format; its exception is one of many."""


class OnnxRuntime:
    """Open ONNX and ORT models with ONNX Runtime's CPU execution provider."""

    name: ClassVar[str] = "onnxruntime"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "onnx": ("model.onnx", "*.onnx.data"),
        "ort": ("model.ort", "required_operators_and_types.config"),
    }
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8", "int4")
    packages: ClassVar[tuple[str, ...]] = ("numpy", "onnxruntime")
    deployed: ClassVar[bool] = True
    providers: ClassVar[tuple[str, ...]] = ("CPUExecutionProvider",)

    def availability(self) -> Availability:
        """Tell whether onnxruntime is installed, without importing it."""
        return package_availability("onnxruntime", "onnxruntime-gpu")

    def open(self, model: StrPath, threads: int) -> Opened:
        """Open a session.

        Raises ArtifactError on a damaged file or weights outside the model's folder, BackendError
        when ONNX Runtime refuses the model.
        """
        onnxruntime = import_onnxruntime()
        session = open_session(Path(model), threads)
        inputs = tuple(map(_spec, session.get_inputs()))
        outputs = tuple(map(_spec, session.get_outputs()))
        arrays, names = arrays_for(inputs), [spec.name for spec in outputs]

        def run(feeds: Feeds) -> Outputs:
            given = arrays(feeds)
            try:
                return dict(zip(names, session.run(names, given)))
            except Exception as error:  # onnxruntime's exceptions have no common base but Exception
                raise BackendError(
                    f"ONNX Runtime: {first_line(error)}",
                    action="try one row alone; where that fails too, export the model again",
                ) from error

        return Opened(self.name, onnxruntime.__version__, inputs, outputs, run)


def import_onnxruntime() -> Any:
    """Import onnxruntime.

    The variable that `runtimes` sets keeps Linux builds silent; Windows builds have this call.
    """
    onnxruntime = import_package("onnxruntime")
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def session_options(threads: int) -> Any:
    """Return the options of a deployed session: `threads` within an operator."""
    options = import_onnxruntime().SessionOptions()
    # The thread pool keeps spinning, as is ONNX Runtime's default; with 1 thread there is no pool.
    # With 2 threads, fp32 MiniLM-L6 took 3.1 ms spinning and 4.3 ms not spinning on free cores, but
    # 22 and 14 ms on busy ones, and 1.6 times the CPU time: a reason to keep 1 on shared cores.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def open_session(model: Path, threads: int, options: Any = None) -> Any:
    """Open an onnxruntime.InferenceSession on the CPU, by default with the deployed options.

    Raises ArtifactError on a damaged file, BackendError when ONNX Runtime refuses the model.
    """
    if model.suffix != ".ort":  # which holds its weights itself, and is no protobuf message
        check_external_data(model)
    try:
        return import_onnxruntime().InferenceSession(
            str(model),
            sess_options=options or session_options(threads),
            providers=list(OnnxRuntime.providers),
        )
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise _translated(model, error) from error


def _translated(model: Path, error: Exception) -> ArtifactError | BackendError:
    said = f"{model}: ONNX Runtime cannot load it ({first_line(error)})"
    if type(error).__name__ in _DAMAGED or _NOT_ORT in str(error):
        return ArtifactError(
            said, expected="an intact ONNX model", action="make the artifact again"
        )
    return BackendError(
        said, action="try another version of onnxruntime, or export the model again"
    )


def _spec(node: Any) -> TensorSpec:
    dtype = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(
        size if isinstance(size, int) else str(size or f"dynamic_{axis}")
        for axis, size in enumerate(node.shape)
    )
    return TensorSpec(node.name, _DTYPES.get(dtype, dtype), shape)

"""Run OpenVINO IR and ONNX models in OpenVINO on the CPU."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from runtimes.errors import ArtifactError, BackendError, first_line
from runtimes.onnx_external import check_external_data
from runtimes.packages import import_package, package_availability
from runtimes.runtime import Availability, Opened, TensorSpec, arrays_for

if TYPE_CHECKING:
    from _typeshed import StrPath

    from runtimes.runtime import Feeds, Outputs


class OpenVINO:
    """Open OpenVINO IR, or ONNX, with OpenVINO's CPU device."""

    name: ClassVar[str] = "openvino"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "openvino": ("model.xml", "model.bin"),
        "onnx": ("model.onnx", "*.onnx.data"),
    }
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8", "int4")
    packages: ClassVar[tuple[str, ...]] = (
        "numpy",
        "openvino",
    )
    deployed: ClassVar[bool] = True
    providers: ClassVar[tuple[str, ...]] = ("CPU",)

    def availability(self) -> Availability:
        """Tell whether openvino is installed, without importing it."""
        return package_availability("openvino")

    def open(self, model: StrPath, threads: int) -> Opened:
        """Compile the model; each thread that runs it gets its own request.

        Raises ArtifactError on a damaged file or weights outside the model's folder, BackendError
        when OpenVINO refuses the model.
        """
        openvino = import_openvino()
        network = read_openvino(Path(model))
        try:
            compiled = compile_openvino(network, threads)
        except Exception as error:  # openvino raises RuntimeError for nearly every fault
            raise BackendError(
                f"{model}: OpenVINO cannot compile it ({first_line(error)})",
                action="try another version of openvino, or export the model again",
            ) from error
        inputs = tuple(map(_spec, compiled.inputs))
        outputs = tuple(map(_spec, compiled.outputs))
        run = _runner(compiled, inputs, outputs)
        return Opened(self.name, openvino.__version__.split("-")[0], inputs, outputs, run)


def import_openvino() -> Any:
    """Import openvino; raise UnsupportedError, naming what to install, when it is missing."""
    return import_package("openvino")


@functools.lru_cache(maxsize=1)
def openvino_core() -> Any:
    """Return the process's one openvino.Core, which is never freed.

    Its CPU plugin gives the thread a signal stack and removes it when the Core is freed. When two
    Cores are freed in the order of their creation, the thread keeps a freed stack, and the next
    signal, such as Ctrl-C, ends Python with a segmentation fault (seen in 2026.4).
    """
    return import_openvino().Core()


def read_openvino(model: Path) -> Any:
    """Read an IR or ONNX file into an openvino.Model, which is not yet compiled.

    Raises ArtifactError on a damaged file, or an ONNX file with weights outside its folder.
    """
    if model.suffix == ".onnx":
        check_external_data(model)
    try:
        return openvino_core().read_model(model)
    except Exception as error:  # openvino raises RuntimeError for nearly everything
        raise ArtifactError(
            f"{model}: OpenVINO cannot read it ({first_line(error)})",
            expected="an intact model, with model.bin beside model.xml",
            action="make the artifact again",
        ) from error


def compile_openvino(network: Any, threads: int) -> Any:
    """Compile a model for OpenVINO's CPU device in fp32, for one request at a time."""
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "PERFORMANCE_HINT_NUM_REQUESTS": 1,
        # Without this, an aarch64 or AMX machine computes in fp16 or bf16, and its results differ
        # from those that were validated. Integer layers stay integer.
        "INFERENCE_PRECISION_HINT": "f32",
        # Pinned threads wait for their core when another process has it (fp32 MiniLM-L6, 2 threads
        # on 2 busy cores: p50 31 ms pinned, 17 ms not), and two models would pin to the same core.
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    return openvino_core().compile_model(network, OpenVINO.providers[0], settings)


def _runner(compiled: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> Any:
    local = threading.local()  # a request serves one thread at a time
    local.request = compiled.create_infer_request()
    arrays, names = arrays_for(inputs), [spec.name for spec in outputs]

    def run(feeds: Feeds) -> Outputs:
        given = arrays(feeds)
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        try:
            results = local.request.infer(given, share_inputs=True)
        except Exception as error:  # openvino raises RuntimeError for nearly everything
            raise BackendError(
                f"OpenVINO: {first_line(error)}",
                action="try one row alone; where that fails too, export the model again",
            ) from error
        return dict(zip(names, results.values()))

    return run


def _spec(port: Any) -> TensorSpec:
    shape = tuple(
        f"dynamic_{axis}" if size.is_dynamic else size.get_length()
        for axis, size in enumerate(port.partial_shape)
    )
    return TensorSpec(port.any_name, np.dtype(port.element_type.to_dtype()).name, shape)

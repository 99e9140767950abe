"""The protocol of a runtime, and the runtimes and formats that exist."""

from __future__ import annotations

from runtimes.errors import InputError, UnsupportedError
from runtimes.lean_typing import TYPE_CHECKING, NamedTuple, Protocol
from runtimes.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, ClassVar

    from _typeshed import StrPath
    from numpy.typing import NDArray

    Tensor = Any
    """An object of the buffer protocol that is C-contiguous and has `shape` and `tolist()`: a
    memoryview or an array of numpy. The standard library is enough to make and to read one.
    """

    Feeds = Mapping[str, Tensor]
    Outputs = Mapping[str, Tensor]

RUNTIMES = Registry(
    "runtime",
    {
        "onnxruntime": "runtimes.onnx_runtime:OnnxRuntime",
        "onnxruntime-c": "runtimes.onnx_c_runtime:OnnxRuntimeC",
        "openvino": "runtimes.openvino_runtime:OpenVINO",
        "litert": "runtimes.litert_runtime:LiteRT",
        "executorch": "runtimes.executorch_runtime:ExecuTorch",
        "coreml": "runtimes.coreml_runtime:CoreML",
        "tensorrt": "runtimes.tensorrt_runtime:TensorRT",
        "linear": "runtimes.linear_runtime:Linear",
        "torch": "runtimes.torch_runtime:Torch",
    },
    group="edgepress.runtimes",
)


MOST_THREADS = 1024
"""More than any machine that a model runs on has cores; a runtime starts what it is told."""


class TensorSpec(NamedTuple):
    """Describe one input or output; a named dimension (`"batch"`) is dynamic."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Availability(NamedTuple):
    """Say whether a runtime can be used here; if not, why and what to install."""

    ok: bool
    reason: str
    version: str | None


class Opened(NamedTuple):
    """Hold one opened model: `run` maps a batch's feeds to its outputs by name, and is timed.

    `run` raises InputError on feeds that do not fit, BackendError when the backend fails. Later
    calls do not change earlier results. Several threads may call it.
    """

    runtime: str
    version: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    run: Callable[[Feeds], Outputs]


class Runtime(Protocol):
    """Open models of the formats that one backend can run.

    `formats` names for each format the file that is opened, then patterns of the other files of the
    model. `packages` must be importable, numpy too where it is used; one that does not import
    them all names those that it does in `imports`. A runtime that is not
    `deployed` is a reference. One that has execution providers names those that it opens models
    with in `providers`. A module that holds one imports only the standard library, numpy and
    `runtimes` at its top: it is copied into bundles.
    """

    name: ClassVar[str]
    formats: ClassVar[Mapping[str, tuple[str, ...]]]
    precisions: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]]
    deployed: ClassVar[bool]

    def availability(self) -> Availability:
        """Tell whether the backend can be used here; never raise."""

    def open(self, model: StrPath, threads: int) -> Opened:
        """Open a model's file; with `threads` 0 the backend chooses their number.

        A package's start gives a str, which saves the import of pathlib; others give a Path.

        Raises UnsupportedError where the backend is missing, ArtifactError on a damaged file,
        BackendError when the backend refuses the model.
        """


def runs_in(form: str, wanted: str = "") -> str:
    """Return the runtime that runs a deployed model of this format.

    This is the `wanted` one if it loads the format, else the first that does. Raises
    UnsupportedError for a format that is not deployed.
    """
    known = list(runtimes_of(form))
    if known:
        return wanted if wanted in known else known[0]
    raise UnsupportedError(
        f"format {form!r} is not one that is deployed",
        expected=" or ".join(deployed_formats()),
        action="run `edgepress export` first",
    )


def runtimes_of(form: str) -> Iterator[str]:
    """Yield the deployed runtimes that load a format, built-in ones first."""
    for name in RUNTIMES:
        runtime: type[Runtime] = RUNTIMES.resolve(name)
        if runtime.deployed and form in runtime.formats:
            yield name


def deployed_formats() -> dict[str, str]:
    """Return the deployed formats, each with the first registered runtime that loads it."""
    formats: dict[str, str] = {}
    for name in RUNTIMES:
        runtime: type[Runtime] = RUNTIMES.resolve(name)
        for form in runtime.formats if runtime.deployed else ():
            formats.setdefault(form, name)
    return formats


def format_for(runtime: str) -> str:
    """Return the format for a runtime: the first that it loads."""
    loader: type[Runtime] = RUNTIMES.resolve(runtime)
    return next(iter(loader.formats))


def formats_of(runtime: str, formats: Iterable[str]) -> list[str]:
    """Return those of the formats that this runtime is the first to load, in their order."""
    loaders = deployed_formats()
    return [form for form in formats if loaders.get(form) == runtime]


def model_files(form: str) -> tuple[str, ...]:
    """Return a format's files: the one that is opened, then patterns of the others."""
    known: dict[str, tuple[str, ...]] = {}
    for name in RUNTIMES:
        runtime: type[Runtime] = RUNTIMES.resolve(name)
        if form in runtime.formats:
            return runtime.formats[form]
        known.update(runtime.formats)
    raise UnsupportedError(
        f"unknown format {form!r}",
        expected=f"one of {', '.join(known)}",
        action="export the model to one of these, or install the runtime's plug-in",
    )


def require_loads(runtime: str, form: str) -> None:
    """Raise UnsupportedError when a runtime does not load a format, or is not deployed."""
    loader: type[Runtime] = RUNTIMES.resolve(runtime)
    if loader.deployed and form in loader.formats:
        return
    known = " or ".join(runtimes_of(form))
    raise UnsupportedError(
        f"runtime {runtime!r} does not load format {form!r}",
        expected=known or f"format {' or '.join(deployed_formats())}",
        action="`edgepress export` makes another format",
    )


def arrays_for(inputs: tuple[TensorSpec, ...]) -> Callable[[Feeds], dict[str, NDArray[Any]]]:
    """Return a function that makes feeds arrays of numpy, without copies.

    It raises InputError for feeds of other names, types or ranks. It is part of every timed run,
    and some models take 50 microseconds: so it must be fast.
    """
    import numpy as np

    expected = [(spec.name, np.dtype(spec.dtype), len(spec.shape)) for spec in inputs]
    asarray = np.asarray

    def arrays(feeds: Feeds) -> dict[str, NDArray[Any]]:
        made = {}
        if len(feeds) == len(expected):
            for name, dtype, rank in expected:
                if name not in feeds:
                    break
                made[name] = array = asarray(feeds[name])
                if array.ndim != rank or (array.dtype is not dtype and array.dtype != dtype):
                    break
            else:
                return made
        raise unfit(inputs, feeds)

    return arrays


def unfit(inputs: tuple[TensorSpec, ...], feeds: Feeds) -> InputError:
    """Return the error for feeds that do not fit a model's inputs."""
    given = ", ".join(
        f"{name} {getattr(tensor, 'dtype', None) or tensor.format}{tensor.shape}"
        for name, tensor in feeds.items()
    )
    wanted = ", ".join(f"{spec.name} {spec.dtype}{spec.shape}" for spec in inputs)
    return InputError(
        f"feeds that do not fit the model: {given or 'none'}",
        expected=wanted,
        action="make the artifact again: model and task do not fit",
    )

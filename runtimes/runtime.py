"""The protocol of a runtime, and the runtimes and formats that exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from runtimes.errors import InputError, UnsupportedError
from runtimes.registry import Registry

if TYPE_CHECKING:  # numpy is imported with the runtime, so that a cold start counts it
    from collections.abc import Callable

    from numpy.typing import NDArray

    Feeds = Mapping[str, NDArray[Any]]
    Outputs = Mapping[str, NDArray[Any]]

RUNTIMES = Registry(
    "runtime",
    {
        "onnxruntime": "runtimes.onnx_runtime:OnnxRuntime",
        "openvino": "runtimes.openvino_runtime:OpenVINO",
        "litert": "runtimes.litert_runtime:LiteRT",
        "executorch": "runtimes.executorch_runtime:ExecuTorch",
        "coreml": "runtimes.coreml_runtime:CoreML",
        "tensorrt": "runtimes.tensorrt_runtime:TensorRT",
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
    model. `packages` must be importable. A runtime that is not `deployed` is a reference. One that
    has execution providers names those that it opens models with in `providers`. A module that
    holds one imports only the standard library, numpy and `runtimes` at its top: it is copied into
    bundles.
    """

    name: ClassVar[str]
    formats: ClassVar[Mapping[str, tuple[str, ...]]]
    precisions: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]]
    deployed: ClassVar[bool]

    def availability(self) -> Availability:
        """Tell whether the backend can be used here; never raise."""

    def open(self, model: Path, threads: int) -> Opened:
        """Open a model's file; with `threads` 0 the backend chooses their number.

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


def feeds_check(inputs: tuple[TensorSpec, ...]) -> Callable[[Feeds], None]:
    """Return a function that raises InputError for feeds of other names, types or ranks.

    It is part of every timed run, and some models take 50 microseconds: so it must be fast.
    """
    import numpy as np

    expected = [(spec.name, np.dtype(spec.dtype), len(spec.shape)) for spec in inputs]

    def check(feeds: Feeds) -> None:
        if len(feeds) == len(expected):
            for name, dtype, rank in expected:
                array = feeds.get(name)
                if array is None or array.ndim != rank:
                    break
                if array.dtype is not dtype and array.dtype != dtype:
                    break
            else:
                return
        raise _unfit(inputs, feeds)

    return check


def _unfit(inputs: tuple[TensorSpec, ...], feeds: Feeds) -> InputError:
    given = ", ".join(f"{name} {array.dtype}{array.shape}" for name, array in feeds.items())
    wanted = ", ".join(f"{spec.name} {spec.dtype}{spec.shape}" for spec in inputs)
    return InputError(
        f"feeds that do not fit the model: {given or 'none'}",
        expected=wanted,
        action="make the artifact again: model and task do not fit",
    )

"""The seam between a model and what runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from runtimes.artifact import Artifact, TensorSpec
from runtimes.registry import Registry

Feeds = Mapping[str, NDArray[Any]]

RUNTIMES = Registry(
    "runtime",
    {
        "onnxruntime": "runtimes.onnx_runtime:OnnxRuntime",
        "openvino": "runtimes.openvino_runtime:OpenVINO",
        "tensorrt": "runtimes.tensorrt_runtime:TensorRT",
        "torch": "runtimes.torch_runtime:Torch",
    },
    group="edgepress.runtimes",
)


class Availability(NamedTuple):
    """Say whether a runtime can be used here; when not, why and what would change it."""

    ok: bool
    reason: str
    version: str | None


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Choose how a session runs; `threads` 0 leaves it to the runtime."""

    threads: int = 1
    device: str = "cpu"


class Session(Protocol):
    """Run inference on one loaded model; timing lives outside."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...

    def infer(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Return the outputs for one batch; raise InputError on feeds that do not fit."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Runtime(Protocol):
    """Load artifacts of the formats that one backend can run."""

    name: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    precisions: ClassVar[tuple[str, ...]]
    deployed: ClassVar[bool]

    def availability(self) -> Availability:
        """Tell whether the backend can be used here, without raising."""

    def load(self, artifact: Artifact, options: SessionOptions) -> Session:
        """Open a session; raise BackendError when the backend refuses the model."""


def runs_in(form: str) -> str:
    """Return the runtime that a deployed model of a format runs in: the first that loads it.

    Raises UnsupportedError for a format that is not deployed.
    """
    from runtimes.errors import UnsupportedError

    known = deployed_formats()
    if form not in known:
        raise UnsupportedError(
            f"format {form!r} is not one that is deployed",
            expected=" or ".join(known),
            action="run `edgepress export` first",
        )
    return known[form]


def deployed_formats() -> dict[str, str]:
    """Return the formats that are deployed, and the first registered runtime that loads each."""
    found: dict[str, str] = {}
    for name in RUNTIMES:
        runtime: type[Runtime] = RUNTIMES.resolve(name)
        for form in runtime.formats if runtime.deployed else ():
            found.setdefault(form, name)
    return found


def format_for(runtime: str) -> str:
    """Return the format that a runtime is given: the first that it loads."""
    return str(RUNTIMES.resolve(runtime).formats[0])


def check_feeds(inputs: tuple[TensorSpec, ...], feeds: Feeds) -> None:
    """Raise InputError when names, types or ranks of the feeds are not the session's inputs."""
    from runtimes.errors import InputError

    expected = {spec.name: spec for spec in inputs}
    if set(feeds) != set(expected):
        raise InputError(
            f"feeds {sorted(feeds)}", expected=f"exactly the inputs {sorted(expected)}"
        )
    for name, array in feeds.items():
        spec = expected[name]
        if np.dtype(array.dtype).name != spec.dtype or array.ndim != len(spec.shape):
            raise InputError(
                f"input {name!r} of type {array.dtype} and shape {array.shape}",
                expected=f"type {spec.dtype} and shape {spec.shape}",
            )

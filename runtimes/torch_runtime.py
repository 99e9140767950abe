"""Run a transformers checkpoint eagerly in torch: the reference for every export."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from runtimes.artifact import Artifact, TensorSpec, refuse_pickles
from runtimes.errors import ArtifactError, BackendError, UnsupportedError, first_line
from runtimes.feeds import check_text_feeds
from runtimes.packages import package_availability, require_available, require_format
from runtimes.session import Availability, Feeds, SessionOptions


class Torch:
    """Load transformers sequence classifiers in fp32 with eager attention."""

    name: ClassVar[str] = "torch"
    formats: ClassVar[tuple[str, ...]] = ("huggingface",)
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    deployed: ClassVar[bool] = False

    def availability(self) -> Availability:
        """Tell whether torch and transformers are installed, without importing them."""
        for module in ("transformers", "torch"):
            state = package_availability(module)
            if not state.ok:
                return state
        return state

    def load(self, artifact: Artifact, options: SessionOptions) -> TorchSession:
        """Open a session; `threads` holds for the whole process, as torch has it.

        Raises UnsupportedError when the package or the format does not fit, ArtifactError on a
        pickle or a damaged file.
        """
        require_available(self)
        require_format(self, artifact, options)
        refuse_pickles(artifact.path)
        _refuse_uneven_heads(artifact)
        return TorchSession(_load(artifact), _inputs(artifact), options.threads)


class TorchSession:
    """Hold one torch module in eval mode."""

    def __init__(self, model: Any, inputs: tuple[TensorSpec, ...], threads: int) -> None:
        self._model: Any = model
        self.inputs: tuple[TensorSpec, ...] = inputs
        classes = model.config.num_labels
        self.outputs: tuple[TensorSpec, ...] = (
            TensorSpec("logits", "float32", ("batch", classes)),
        )
        if threads:
            import torch

            torch.set_num_threads(threads)

    def infer(self, feeds: Feeds) -> dict[str, NDArray[Any]]:
        """Return the logits for one batch.

        Raises InputError on feeds that do not fit, BackendError when the run fails.
        """
        import torch

        check_text_feeds(self.inputs, feeds)
        if self._model is None:
            raise BackendError("the session is closed", action="load the model again")
        tensors = {name: torch.from_numpy(array.copy()) for name, array in feeds.items()}
        try:
            with torch.inference_mode():
                logits = self._model(**tensors).logits
        except (RuntimeError, IndexError, ValueError) as error:
            raise BackendError(f"torch: {first_line(error)}") from error
        array: NDArray[np.float32] = logits.numpy()
        return {"logits": array}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._model = None


def _load(artifact: Artifact) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    with _quiet():
        try:
            model = AutoModelForSequenceClassification.from_pretrained(
                artifact.path,
                attn_implementation="eager",
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
        except Exception as error:  # safetensors and transformers raise many types
            raise ArtifactError(
                f"{artifact.path}: the model cannot be loaded ({first_line(error)})",
                expected="config.json and an intact model.safetensors of the same model",
            ) from error
    return model.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' loading bar, and its advice on older configurations, off the terminal."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if bars:
            logging.enable_progress_bar()


def _refuse_uneven_heads(artifact: Artifact) -> None:
    config = json.loads((artifact.path / "config.json").read_text(encoding="utf-8"))
    if "edgepress_heads" in config:
        raise UnsupportedError(
            f"{artifact.path}: its attention heads were pruned; plain transformers cannot load it",
            action="export it (`edgepress export`) and run the ONNX or OpenVINO model",
        )


def _inputs(artifact: Artifact) -> tuple[TensorSpec, ...]:
    if artifact.inputs:
        return artifact.inputs
    names = ("input_ids", "attention_mask")
    return tuple(TensorSpec(name, "int64", ("batch", "sequence")) for name in names)

"""Run a transformers checkpoint eagerly in torch: the reference for every export."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from runtimes.artifact import refuse_pickles
from runtimes.errors import ArtifactError, BackendError, UnsupportedError, first_line
from runtimes.packages import import_package, package_availability
from runtimes.runtime import Availability, Opened, TensorSpec, arrays_for

if TYPE_CHECKING:
    from _typeshed import StrPath

    from runtimes.runtime import Feeds, Outputs

_INPUTS = tuple(
    TensorSpec(name, "int64", ("batch", "sequence")) for name in ("input_ids", "attention_mask")
)


class Torch:
    """Open transformers sequence classifiers in fp32 with eager attention."""

    name: ClassVar[str] = "torch"
    formats: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "huggingface": ("model.safetensors", "*.safetensors")
    }
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    packages: ClassVar[tuple[str, ...]] = ("numpy", "torch", "transformers")
    deployed: ClassVar[bool] = False

    def availability(self) -> Availability:
        """Tell whether torch and transformers are installed, without importing them."""
        for module in ("transformers", "torch"):
            state = package_availability(module, module)
            if not state.ok:
                return state
        return state

    def open(self, model: StrPath, threads: int) -> Opened:
        """Load the checkpoint; torch applies `threads` to the whole process.

        Raises ArtifactError on a pickle or a damaged file.
        """
        torch = import_package("torch")
        folder = Path(model).parent
        refuse_pickles(folder)
        _refuse_uneven_heads(folder)
        network = _load(folder)
        if threads:
            torch.set_num_threads(threads)
        outputs = (TensorSpec("logits", "float32", ("batch", network.config.num_labels)),)
        arrays = arrays_for(_INPUTS)

        def run(feeds: Feeds) -> Outputs:
            given = arrays(feeds)
            tensors = {name: torch.from_numpy(array.copy()) for name, array in given.items()}
            try:
                with torch.inference_mode():
                    return {"logits": network(**tensors).logits.numpy()}
            except (RuntimeError, IndexError, ValueError) as error:
                raise BackendError(
                    f"torch: {first_line(error)}",
                    action="try one row alone; where that fails too, check the model's files",
                ) from error

        return Opened(self.name, torch.__version__, _INPUTS, outputs, run)


def _load(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    with _quiet():
        try:
            model = AutoModelForSequenceClassification.from_pretrained(
                folder,
                attn_implementation="eager",
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
            )
        except Exception as error:  # safetensors and transformers raise many types
            raise ArtifactError(
                f"{folder}: the model cannot be loaded ({first_line(error)})",
                expected="config.json and an intact model.safetensors of the same model",
                action="copy or save the model again",
            ) from error
    return model.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide transformers' loading bar, and its advice on older configurations."""
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


def _refuse_uneven_heads(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "edgepress_heads" in config:
        raise UnsupportedError(
            f"{folder}: its attention heads were pruned; plain transformers cannot load it",
            action="export it (`edgepress export`) and run the ONNX or OpenVINO model",
        )

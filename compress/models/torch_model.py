"""Load and save torch models as artifacts, also pruned ones."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.models.span_head import spans_as_logits
from compress.stage import Made
from compress.tasks import task_of
from runtimes.artifact import Artifact, refuse_pickles
from runtimes.errors import ArtifactError, first_line
from runtimes.piece_pairs import PAIRS
from runtimes.runtime import TensorSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
"""Files that are copied with a model; vocab.txt and merges.txt would be wrong after pruning."""

HEADS_CODE = "modeling_edgepress.py"
"""The file that plain transformers needs to load a model with pruned heads."""

_PRUNED_HEADS = Path(__file__).parent / HEADS_CODE
"""The source of that file; see its docstring."""


def load_model(
    folder: Path, task: str, *, labels: tuple[str, ...] | None = None
) -> PreTrainedModel:
    """Load a folder's model with its task's head in fp32 and eval mode, on the CPU.

    Attention is eager, so that the exported graph is plain. With `labels`, a new head is made for
    them; without, the folder must hold one. Raises ArtifactError on a pickle, or a file that is
    truncated or of another format.
    """
    import torch

    refuse_pickles(folder)
    config = load_config(folder)
    if labels is not None:
        task_of(task).configure(config, labels)
    with quiet_transformers():
        try:
            model, loading = _model_class(config, task).from_pretrained(
                folder,
                config=config,
                attn_implementation="eager",
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=labels is not None,
                output_loading_info=True,
            )
        except Exception as error:  # safetensors and transformers raise many types
            raise ArtifactError(
                f"{folder}: the model cannot be loaded ({first_line(error)})",
                expected="config.json and an intact model.safetensors of the same model",
                action="copy or save the model again",
            ) from error
    _refuse_blanks(folder, config.model_type, model.base_model_prefix, loading, labels is not None)
    loaded: PreTrainedModel = spans_as_logits(model).eval()
    return loaded


def _refuse_blanks(
    folder: Path, model_type: str, base: str, loading: Mapping[str, Any], new_head: bool
) -> None:
    """Raise ArtifactError where transformers would silently leave weights at random."""
    blank = {*loading["missing_keys"], *(name for name, *_ in loading["mismatched_keys"])}
    if new_head:  # the head: all outside the backbone, and the pooler that feeds it
        inside = (name for name in blank if name.startswith(f"{base}."))
        blank = {name for name in inside if not name.startswith(f"{base}.pooler.")}
    if blank:
        raise ArtifactError(
            f"{folder}: model.safetensors lacks {len(blank)} of the model's weights,"
            f" {min(blank)} among them",
            expected=f"the weights of a fine-tuned {model_type} classifier, as config.json says",
            action="fine-tune a model without a head first",
        )


def _model_class(config: Any, task: str) -> Any:
    """Return the class that builds this configuration; code in the folder is never run."""
    auto = task_of(task).auto_class()
    if getattr(config, "edgepress_heads", None) is None:
        return auto
    from compress.models.modeling_edgepress import PRUNED, resize_heads

    if auto.__name__ in PRUNED:
        return PRUNED[auto.__name__][config.model_type]
    return auto.resized(resize_heads)


def load_config(folder: Path) -> Any:
    """Load a folder's transformers configuration."""
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise ArtifactError(
            f"{folder}: no config.json",
            expected="a transformers model folder",
            action="give the folder that save_pretrained wrote",
        )
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ArtifactError(
            f"{folder}/config.json: {first_line(error)}",
            action="save the model again with transformers",
        ) from error
    return config


def save_model(
    model: Any,
    source: Artifact,
    folder: Path,
    *,
    labels: tuple[str, ...] | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Made:
    """Write model.safetensors and config.json, and copy the source's tokenizer files.

    A tokenizer file that is already in `folder` is kept, so a stage that rewrites one writes it
    first.
    """
    copy_tokenizer(source.path, folder)
    if getattr(model.config, "edgepress_heads", None) is not None:
        shutil.copyfile(_PRUNED_HEADS, folder / _PRUNED_HEADS.name)
    with quiet_transformers():
        model.save_pretrained(folder)
    _forget_paths(folder / "config.json")
    return describe(model, source, labels=labels, metrics=metrics)


def copy_tokenizer(source: Path, folder: Path) -> None:
    """Copy the tokenizer's files, which every model needs, but none that is there already."""
    for name in (*TOKENIZER_FILES, PAIRS):
        if (source / name).is_file() and not (folder / name).exists():
            shutil.copyfile(source / name, folder / name)


def describe(
    model: Any,
    source: Artifact,
    *,
    labels: tuple[str, ...] | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Made:
    """Describe a torch classifier that was saved to a stage's folder."""
    classes = source.labels if labels is None else labels
    return Made(
        format="huggingface",
        precision="fp32",
        labels=classes,
        max_length=source.max_length,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        inputs=model_inputs(model.config),
        outputs=task_of(source.task).outputs(classes),
        model_type=model.config.model_type,
        metrics=dict(metrics or {}),
    )


def model_inputs(config: Any) -> tuple[TensorSpec, ...]:
    """Return the tensors that a classifier takes, in the order of every export."""
    names = ["input_ids", "attention_mask"]
    if getattr(config, "type_vocab_size", 0) > 1:
        names.append("token_type_ids")
    return tuple(TensorSpec(name, "int64", ("batch", "sequence")) for name in names)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide transformers' loading reports and progress bars."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _forget_paths(config: Path) -> None:
    content = json.loads(config.read_text(encoding="utf-8"))
    content.pop("_name_or_path", None)
    config.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")

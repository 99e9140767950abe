"""Merge a LoRA adapter into its base model, before anything is compressed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from compress.seal import is_sealed_folder, seal_folder
from runtimes.contents import describe_files, digest_of
from runtimes.errors import ArtifactError
from runtimes.files import new_folder
from runtimes.packages import require_packages

ADAPTER = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_HEADS = ("classifier.weight", "classifier.out_proj.weight", "score.weight")


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds a peft adapter instead of a complete model."""
    return (folder / ADAPTER).is_file() and not (folder / "config.json").is_file()


def merge_adapter(folder: Path, task: str, kept: Path, resolve: Callable[[str], Path]) -> Path:
    """Return the folder of the merged model below `kept`; merge only if it is missing.

    `resolve` finds the base model that the adapter names. The merge is peft's
    `merge_and_unload(safe_merge=True)`. Raises UnsupportedError without peft, ArtifactError when
    the adapter is not a classifier's.
    """
    target = kept / digest_of(describe_files(folder, _names(folder)))[:32]
    if is_sealed_folder(target):
        return target
    require_packages(f"{folder}: a LoRA adapter", "peft", "torch")
    base = resolve(str(_settings(folder)["base_model_name_or_path"]))
    model = _merged(folder, base, task, _classes(folder))
    with new_folder(target) as made:
        model.save_pretrained(made)
        for source in (base, folder):  # the adapter's own tokenizer takes precedence
            for file in source.glob("*token*.json"):
                shutil.copyfile(file, made / file.name)
    seal_folder(target)
    return target


def _names(folder: Path) -> list[str]:
    """Return the names of the files that a merge reads."""
    return [ADAPTER, _WEIGHTS, *(file.name for file in folder.glob("*token*.json"))]


def _merged(folder: Path, base: Path, task: str, classes: int) -> Any:
    from peft import PeftModel

    from compress.models.torch_model import load_model, quiet_transformers

    labels = tuple(f"LABEL_{index}" for index in range(classes))
    model = load_model(base, task, labels=labels)
    with quiet_transformers():
        return PeftModel.from_pretrained(model, str(folder)).merge_and_unload(safe_merge=True)


def _settings(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not content.get("base_model_name_or_path"):
        raise ArtifactError(
            f"{folder}/{ADAPTER}: names no base model", expected="base_model_name_or_path"
        )
    return content


def _classes(folder: Path) -> int:
    """Return the classes of the head that was trained with the adapter."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / _WEIGHTS, framework="numpy") as stream:
            heads = [name for name in stream.keys() if name.endswith(_HEADS)]  # noqa: SIM118
            if heads:
                return int(stream.get_slice(heads[0]).get_shape()[0])
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{folder / _WEIGHTS}: not an intact safetensors file") from error
    raise ArtifactError(
        f"{folder}: the adapter has no classification head",
        expected='an adapter trained with task_type="SEQ_CLS"',
        action="merge it yourself and fine-tune a head with edgepress",
    )

"""Merge a LoRA adapter into its base model, before anything is compressed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from compress.storage.seal import is_sealed_folder, seal_folder
from runtimes.contents import describe_files, digest_of
from runtimes.errors import ArtifactError, first_line
from runtimes.files import new_folder
from runtimes.packages import require_packages
from runtimes.parsing import parse_json

ADAPTER = "adapter_config.json"
_WEIGHTS = "adapter_model.safetensors"
_SLOW = re.compile(r"[+{]|(?<!\.)\*")
"""Repetitions of more than a single character: nested, their time grows without bound."""
_MOST_STARS = 3
_HEADS = ("classifier.weight", "classifier.out_proj.weight", "score.weight")


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds a peft adapter instead of a complete model."""
    return (folder / ADAPTER).is_file() and not (folder / "config.json").is_file()


def refuse_both(folder: Path) -> None:
    """Raise ArtifactError where an adapter lies beside a model: it says not which is meant."""
    if (folder / ADAPTER).is_file() and (folder / "config.json").is_file():
        raise ArtifactError(
            f"{folder}: holds a model (config.json) and an adapter ({ADAPTER})",
            expected="a whole model, or an adapter alone, which is merged into its base model",
            action="move one of them to a folder of its own",
        )


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
    try:
        with quiet_transformers():
            return PeftModel.from_pretrained(model, str(folder)).merge_and_unload(safe_merge=True)
    except Exception as error:  # peft and torch raise many types
        raise ArtifactError(
            f"{folder}: the adapter cannot be merged into {base.name} ({first_line(error)})",
            expected="a LoRA adapter of this base model, as peft saves it",
            action="merge it yourself, and give the whole model",
        ) from error


def _settings(folder: Path) -> dict[str, Any]:
    file = folder / ADAPTER
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{file}: not JSON ({error})", action="write it again") from error
    base = content.get("base_model_name_or_path") if isinstance(content, dict) else None
    if not isinstance(base, str) or not base:
        raise ArtifactError(
            f"{file}: names no base model",
            expected="base_model_name_or_path",
            action="name it there, or merge the adapter yourself",
        )
    for pattern in filter(None, _patterns(content)):
        if _SLOW.search(pattern) or pattern.count("*") > _MOST_STARS:
            raise ArtifactError(
                f"{file}: the pattern {pattern[:80]!r} may take for ever",
                expected="names of layers, or a pattern that repeats nothing but `.*`",
                action="list the layers' names under target_modules",
            )
    return dict(content)


def _patterns(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the regular expressions that peft searches the layers' names with."""
    for name in ("target_modules", "exclude_modules", "layers_pattern"):
        said = settings.get(name)
        yield said if isinstance(said, str) else ""
    for name in ("rank_pattern", "alpha_pattern"):
        said = settings.get(name)
        yield from map(str, said if isinstance(said, dict) else ())


def _classes(folder: Path) -> int:
    """Return the classes of the head that was trained with the adapter."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / _WEIGHTS, framework="numpy") as stream:
            heads = [name for name in stream.keys() if name.endswith(_HEADS)]  # noqa: SIM118
            if heads:
                return int(stream.get_slice(heads[0]).get_shape()[0])
    except (SafetensorError, OSError) as error:
        raise ArtifactError(
            f"{folder / _WEIGHTS}: not an intact safetensors file",
            action="copy or save the adapter again",
        ) from error
    raise ArtifactError(
        f"{folder}: the adapter has no classification head",
        expected='an adapter trained with task_type="SEQ_CLS"',
        action="merge it yourself and fine-tune a head with edgepress",
    )

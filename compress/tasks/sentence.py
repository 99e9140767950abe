"""How an encoder's states become a text's vector: read from a sentence-transformers folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, UnsupportedError
from runtimes.parsing import parse_json

TASK = "feature-extraction"
MODULES = "modules.json"
FIELD = "edgepress_embedding"
"""The key of config.json under which edgepress keeps what these modules said."""

POOLINGS = ("mean", "cls", "max")
ACTIVATIONS = {"Identity": "identity", "Tanh": "tanh"}

_TRANSFORMER = "sentence_bert_config.json"
_PROMPTS = "config_sentence_transformers.json"
_ORDER = ("Transformer", "Pooling", "Dense", "Normalize")
_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class Pooled:
    """Say how a vector of so many `dimensions` is made of an encoder's states.

    `dense` tells whether a linear layer and its `activation` follow the pooling. A model whose
    vector was cut has `full`, the dimensions before.
    """

    dimensions: int
    pooling: str = "mean"
    normalize: bool = True
    dense: bool = False
    activation: str = "identity"
    full: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as config.json holds it."""
        return dataclasses.asdict(self)


def read_pooled(folder: Path, config: Mapping[str, Any]) -> Pooled:
    """Return how a folder's model makes its vector; `config` is its config.json.

    A folder that says nothing gets the mean and normalization, which `assumed` says. Raises
    UnsupportedError for a module or a pooling that edgepress does not have.
    """
    known = config.get(FIELD)
    if isinstance(known, Mapping) and "pooling" in known:
        return Pooled(**known)
    width = int(config.get("hidden_size") or config.get("dim") or 0)
    modules = _modules(folder)
    if not modules:
        return Pooled(width)
    _require_plain(folder)
    settings = _json(folder / modules["Pooling"] / "config.json")
    pooled = Pooled(width, _pooling(folder, settings), "Normalize" in modules)
    if "Dense" not in modules:
        return pooled
    dense = _json(folder / modules["Dense"] / "config.json")
    return dataclasses.replace(
        pooled,
        dimensions=int(dense["out_features"]),
        dense=True,
        activation=_activation(folder, dense),
    )


def dense_weights(folder: Path) -> Path | None:
    """Return the weights' file of a sentence-transformers folder's Dense module, if it has one."""
    modules = _modules(folder)
    return folder / modules["Dense"] / "model.safetensors" if "Dense" in modules else None


def dimension_names(dimensions: int) -> tuple[str, ...]:
    """Return the names of a model's outputs: a vector's dimensions are numbers."""
    return tuple(map(str, range(dimensions)))


def module_files(folder: Path) -> list[str]:
    """Return the names of the files that the vector depends on, by their path in the folder."""
    modules = _modules(folder)
    inner = [
        f"{path}/{name}"
        for path in modules.values()
        if path
        for name in ("config.json", "model.safetensors")
    ]
    names = [MODULES, _TRANSFORMER, _PROMPTS, *inner] if modules else []
    return [name for name in names if (folder / name).is_file()]


def longest(folder: Path) -> int | None:
    """Return how many tokens sentence-transformers reads of a text, None where it does not say."""
    file = folder / _TRANSFORMER
    said = _json(file).get("max_seq_length") if file.is_file() else None
    return said if isinstance(said, int) and said > 0 else None


def assumed(teacher: Artifact) -> list[str]:
    """Return what is assumed of a teacher whose folder does not say how its vector is made."""
    folder = teacher.path
    if teacher.task != TASK or (folder / MODULES).is_file():
        return []
    if FIELD in _json(folder / "config.json"):
        return []
    return [
        f"{folder} has no {MODULES}: its vector is taken to be the mean of all tokens' last states,"
        " normalized; if it was trained otherwise, give the sentence-transformers folder"
    ]


def _modules(folder: Path) -> dict[str, str]:
    """Return the path of each module by its kind; {} for a folder without modules.json."""
    if not (folder / MODULES).is_file():
        return {}
    rows = _content(folder / MODULES)
    try:
        found = [(str(row["type"]).rpartition(".")[2], str(row["path"])) for row in rows]
    except (TypeError, KeyError) as error:
        raise ArtifactError(
            f"{folder / MODULES}: no list of modules",
            expected="a type and a path for each",
            action="save the model again with sentence-transformers",
        ) from error
    kinds = [kind for kind, _ in found]
    paths = dict(found)
    in_order = kinds == [kind for kind in _ORDER if kind in kinds]
    if kinds[:2] != list(_ORDER[:2]) or not in_order or paths["Transformer"]:
        raise UnsupportedError(
            f"{folder / MODULES}: modules {', '.join(f'{kind} ({path})' for kind, path in found)}",
            expected="Transformer in the folder itself, Pooling, then Dense and Normalize or"
            " neither",
            action="start from a model with these modules",
        )
    if any(Path(path).is_absolute() or ".." in Path(path).parts for path in paths.values()):
        raise ArtifactError(
            f"{folder / MODULES}: a module's path leads out of the folder",
            expected="folders inside it",
            action="copy the model again",
        )
    return paths


def _pooling(folder: Path, settings: Mapping[str, Any]) -> str:
    chosen = [name for key, name in _MODES.items() if settings.get(key)]
    named = settings.get("pooling_mode")
    chosen = [str(named)] if named else chosen
    if len(chosen) != 1 or chosen[0] not in POOLINGS:
        raise UnsupportedError(
            f"{folder}: pooling {' and '.join(chosen) or 'of no kind'}",
            expected="one of the available ones",
            available=", ".join(POOLINGS),
            action="start from a model with one of these",
        )
    return chosen[0]


def _activation(folder: Path, settings: Mapping[str, Any]) -> str:
    named = str(settings.get("activation_function", "")).rpartition(".")[2]
    if named not in ACTIVATIONS:
        raise UnsupportedError(
            f"{folder}: a Dense module with the activation {named!r}",
            expected="one of the available ones",
            available=", ".join(ACTIVATIONS),
            action="start from a model with one of these",
        )
    return ACTIVATIONS[named]


def _require_plain(folder: Path) -> None:
    """Raise UnsupportedError where sentence-transformers changes a text before its tokenizer."""
    checks = (
        (_TRANSFORMER, "do_lower_case", "lower case before the tokenizer"),
        (_PROMPTS, "default_prompt_name", "a prompt before every text"),
    )
    for name, key, what in checks:
        if (folder / name).is_file() and _json(folder / name).get(key):
            raise UnsupportedError(
                f"{folder / name}: {key}, {what}",
                expected="texts that the tokenizer reads as they are",
                action=f"change the texts yourself, and leave {key} out of a copy of the folder",
            )


def _json(file: Path) -> Mapping[str, Any]:
    content = _content(file)
    return content if isinstance(content, Mapping) else {}


def _content(file: Path) -> Any:
    """Return a file's JSON; raise ArtifactError where it cannot be read."""
    try:
        return parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{file}: not JSON that can be read ({error})",
            expected="the settings of a sentence-transformers module",
            action="copy or save the model again",
        ) from error

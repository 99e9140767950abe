"""Read a head from a folder's config.json and weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compress.tasks import DEFAULT_TASK
from runtimes.errors import ArtifactError, UnsupportedError

_HEADS = ("classifier.", "score.", "classification_head.", "pre_classifier.", "qa_outputs.")
_LAST_LAYERS = (
    "classifier.out_proj.weight",
    "classifier.weight",
    "score.weight",
    "qa_outputs.weight",
)

PROBLEMS = {
    "text-classification": "single_label_classification",
    "multi-label-classification": "multi_label_classification",
    "text-regression": "regression",
    "text-pair-classification": "single_label_classification",
    "text-ranking": "regression",
}
"""The problem_type of transformers that each task's head has; of several tasks with the same one,
the first is that of a folder which names none."""

Shapes = Mapping[str, tuple[int, ...]]


def has_head(config: Mapping[str, Any], shapes: Shapes, ending: str) -> bool:
    """Tell whether a folder holds a trained head of a kind, such as ForSequenceClassification."""
    return any(name.startswith(_HEADS) for name in shapes) and _is_head(config, ending)


def _is_head(config: Mapping[str, Any], ending: str) -> bool:
    named = config.get("architectures")
    architectures = named if isinstance(named, list) else []
    return any(str(name).endswith(ending) for name in architectures)


def head_outputs(folder: Path, config: Mapping[str, Any], shapes: Shapes) -> tuple[str, ...]:
    """Return the names of a classification head's outputs, in their order.

    Raises ArtifactError when they are not numbered, not distinct or not as many as outputs.
    """
    labels = numbered_names(
        folder / "config.json", config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    )
    outputs = next((shapes[name][0] for name in _LAST_LAYERS if name in shapes), len(labels))
    if outputs != len(labels):
        raise ArtifactError(
            f"{folder}: the head has {outputs} outputs, config.json names {len(labels)} classes",
            expected="one name a class under id2label",
            action="write the names of the classes that the head was trained on, in their order",
        )
    return labels


def name_outputs(config: Any, labels: tuple[str, ...]) -> None:
    """Set the number and the names of a new head's outputs in a transformers configuration."""
    config.num_labels = len(labels)
    config.id2label = dict(enumerate(labels))
    config.label2id = {name: index for index, name in enumerate(labels)}


def problem_of(config: Mapping[str, Any]) -> str:
    """Return what kind of sequence head a configuration has, as transformers decides it."""
    named = config.get("problem_type")
    if named:
        return str(named)
    outputs = config.get("id2label")
    single = isinstance(outputs, Mapping) and len(outputs) == 1
    return "regression" if single else "single_label_classification"


def task_in(config: Mapping[str, Any]) -> str:
    """Return the task of the head in a configuration; DEFAULT_TASK without a head."""
    if _is_head(config, "ForTokenClassification"):
        return "token-classification"
    if _is_head(config, "ForQuestionAnswering"):
        return "question-answering"
    if _is_head(config, "ForSentenceEmbedding"):
        return "feature-extraction"
    if not _is_head(config, "ForSequenceClassification"):
        return DEFAULT_TASK
    problem = problem_of(config)
    return next((name for name, known in PROBLEMS.items() if known == problem), DEFAULT_TASK)


def require_problem(folder: Path, config: Mapping[str, Any], wanted: str) -> None:
    """Raise UnsupportedError for a sequence head that was trained for another problem."""
    found = problem_of(config)
    if found != wanted:
        task = next((name for name, problem in PROBLEMS.items() if problem == found), None)
        raise UnsupportedError(
            f"{folder}: a {found} head",
            expected=wanted,
            action=f'task = "{task}", or [[stage]] kind = "finetune" on a pretrained model'
            if task
            else 'add [[stage]] kind = "finetune" on a pretrained model instead',
        )


def last_layer(model: Any) -> Any:
    """Return the linear layer that computes a model's outputs.

    Raises UnsupportedError for a head without it, or without a bias.
    """
    modules = dict(model.named_modules())
    layers = (modules.get(name.removesuffix(".weight")) for name in _LAST_LAYERS)
    found = next((layer for layer in layers if layer is not None), None)
    if getattr(found, "bias", None) is None:
        raise UnsupportedError(
            f"{type(model).__name__}: its last layer is not a linear one with a bias",
            expected=" or ".join(_LAST_LAYERS),
            action="start from a teacher of another architecture",
        )
    return found


def numbered_names(place: Path | str, classes: object) -> tuple[str, ...]:
    """Return the names that id2label numbers; `place` is where it stands, for a message.

    Raises ArtifactError when they are not numbered from 0, or not distinct.
    """
    if not isinstance(classes, dict) or {str(n) for n in range(len(classes))} != set(classes):
        raise ArtifactError(
            f"{place}: id2label is {json.dumps(classes)[:120]}",
            expected='{"0": "first class", "1": "second class", …}',
            action="number the classes from 0",
        )
    names = tuple(str(classes[str(number)]) for number in range(len(classes)))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArtifactError(
            f"{place}: id2label has {', '.join(map(repr, twice[:5]))} more than once",
            expected="a different name for every class",
            action="correct it, and label2id beside it",
        )
    return names

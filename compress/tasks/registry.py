"""The tasks that edgepress compresses for, by their canonical names."""

from __future__ import annotations

from runtimes.errors import UnknownNameError
from runtimes.registry import Registry

TASKS = Registry(
    "task",
    {"text-classification": "compress.tasks.text_classification:TextClassification"},
    group="edgepress.tasks",
)


def canonical_task(name: str) -> str:
    """Return the canonical name of a task, synonyms such as "sequence-classification" allowed.

    Raises UnknownNameError when edgepress has no such task.
    """
    if name in TASKS:
        return name
    from optimum.exporters.tasks import TasksManager

    found = str(TasksManager.map_from_synonym(name))
    if found not in TASKS:
        raise UnknownNameError("task", name, TASKS.names())
    return found

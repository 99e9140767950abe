"""The teacher's answers, computed once for each text and cached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from compress.answers import Answers
from compress.answers.kept import kept_answers
from compress.answers.trained import trained_answers
from compress.stage import RunContext, tool_versions
from compress.storage.sources import code_digest
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash

if TYPE_CHECKING:
    from pathlib import Path


def teacher_answers(teacher: Artifact, inputs: Sequence[Any], context: RunContext) -> Answers:
    """Return the teacher's answers, from the cache if it has them.

    The key is the teacher, the inputs, the code and the tools, so all stages that distill from the
    same teacher share one forward pass. A file that cannot be read is replaced.
    """
    return kept_answers(
        _file(teacher, inputs, context),
        len(inputs),
        lambda: _compute(teacher, inputs, context),
    )


def _file(teacher: Artifact, inputs: Sequence[Any], context: RunContext) -> Path | None:
    if context.shared is None:
        return None
    code = code_digest("compress.answers.trained")
    key = stable_hash([teacher.digest, list(inputs), tool_versions(), code])
    return context.shared / f"logits-{key[:32]}.npz"


def _compute(teacher: Artifact, inputs: Sequence[Any], context: RunContext) -> Answers:
    with context.progress.task("teacher logits", len(inputs)) as advance:
        return trained_answers(teacher, inputs, advance=advance)

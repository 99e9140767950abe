"""The teacher that a search chooses by, where the finished one has learned the validation rows."""

from __future__ import annotations

from compress.finetune.stage import Finetune
from compress.models.outline import outline_of
from compress.models.teacher import open_model
from compress.run.plan import Plan
from compress.search.control import teacher_saw_validation
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError

TUNING = Finetune()
"""How the base becomes a teacher that has not seen the validation rows."""


def base_of(plan: Plan) -> Artifact | None:
    """Return the model that the finished teacher was fine-tuned from; None where none is needed.

    Raises RecipeError for a base of another architecture or depth, and what `open_model` does.
    """
    path = plan.recipe.teacher.base
    if path is None or not teacher_saw_validation(plan)[0]:
        return None
    teacher = plan.teacher
    base = open_model(
        path, task=teacher.task, folder=plan.recipe.folder, max_length=teacher.max_length
    )
    mine, theirs = outline_of(base), outline_of(teacher)
    if (mine.model_type, mine.layers) != (theirs.model_type, theirs.layers):
        raise RecipeError(
            f"[teacher] base = {path!r}: {mine.model_type} with {mine.layers} layers",
            expected=f"what the teacher was fine-tuned from: {theirs.model_type} with"
            f" {theirs.layers} layers",
            action="name that model, or leave `base` out",
        )
    return base

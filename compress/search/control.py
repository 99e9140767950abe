"""The control that retention is measured against, if the teacher may know the validation rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from compress.run.plan import Plan
from compress.search.shape import Shape
from compress.search.space import Space
from compress.search.trial import Control, Trial
from compress.tasks import has_vectors
from profiles.scores import RowScores


def teacher_saw_validation(plan: Plan) -> tuple[bool, str]:
    """Tell whether the teacher was probably trained on the validation rows, and why.

    A finished teacher has probably seen validation rows that are split off the training file: it is
    right on nearly all of them, and a student that has not seen them cannot be.
    """
    if has_vectors(plan.teacher.task):
        return False, "no teacher of vectors learns the labels of rows"
    said = plan.recipe.teacher.saw_validation
    if said is not None:
        return said, f"[teacher] saw_validation = {str(said).lower()}"
    if any(step.stage.teaches for step in plan.steps):
        return False, "the recipe trains the teacher without the validation rows"
    if plan.recipe.data.validation:
        return False, "the validation rows are a file of their own"
    return True, "the teacher came finished and the validation rows are split off its train file"


def unseen_rows_wanted(plan: Plan) -> list[str]:
    """Warn of validation and test rows that a finished teacher has probably learned."""
    if not teacher_saw_validation(plan)[0]:
        return []
    settings, wanted = plan.recipe, []
    if settings.teacher.base is None and not settings.data.validation:
        wanted.append(
            "the finished teacher has probably learned the validation rows: a student is the"
            " control, which is only as good as it is near the teacher; better are [teacher] base"
            " (what it was fine-tuned from) or [data] validation (rows that it has not seen)"
        )
    if not settings.data.test:
        wanted.append(
            "the test rows are split off the train file, which the finished teacher has probably"
            " learned: its accuracy there is too high and the final retention too low; name rows"
            " that it has not seen as [data] test"
        )
    return wanted


def control_shape(space: Space) -> Shape:
    """Return the least compressed of the first shapes."""
    return max(space.first(), key=space.work)


def control_of(trials: Iterable[Trial], shape: Shape, why: str) -> Control | None:
    """Return the control's longest fp32 training, or None before there is one.

    Like the other students, it was not trained on these rows. What its copied layers know of them
    makes it stronger, and retention lower.
    """
    plain = [trial for trial in trials if trial.shape == shape and trial.seed is None]
    if not plain:
        return None
    longest = max(plain, key=lambda trial: trial.epochs)
    name = f"student {longest.name}, fp32"
    return Control(name, longest.student, why, longest.shape, longest.epochs)


def provisional(trials: Sequence[Trial]) -> Control:
    """Return the most accurate student, which ranks the others until there is a control."""
    if not trials:
        why = "no student was trained"
        return Control("nothing", RowScores.right([True]), why, stands_in=True)
    best = max(trials, key=lambda trial: trial.student.metric)
    why = "there was no time to train the control; this is the most accurate student"
    return Control(f"student {best.name}, fp32", best.student, why, stands_in=True)

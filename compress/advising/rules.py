"""The rules of advice, in their order, each with its threshold and the reason for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compress.advising.facts import Facts, Option
from compress.report.schema import Estimate
from profiles.plural import plural

FEWEST_ROWS = 10
"""Rows a class, at the median. With fewer, one row decides a tenth of a class or more, and the
rows that are kept apart to choose by are one or two a class."""

MOST_GAIN = 0.10
"""Accuracy that the last doubling of the rows brought a linear model of words. It has to see each
word before it knows it, so it gains more of rows than an encoder does: 5 points at 100 rows a class
of 77, where the encoder's students are good already. Twice that means that the rows are short."""

MOST_SUSPECTS = 0.10
"""The share of labels that are probably wrong. A tenth of wrong labels is five times what a goal of
98 % lets a student lose, and neither training nor measuring can be better than its labels."""

LEAST_STEP = 1.5
"""How many times faster or smaller a more laborious answer must be. The noise of a busy machine and
the next release of a runtime move figures by less."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what is advised: `kind`, the student it means, and the reason.

    `kind` is "leave", "quantize", "distil", "linear", "more-data" or "cleaner-data".
    """

    kind: str
    rule: str
    why: str
    option: Option

    @property
    def words(self) -> str:
        """Return the advice in plain words."""
        return {
            "leave": "leave the teacher as it is",
            "quantize": "quantize the teacher, and do nothing else",
            "distil": f"distil to {_depth(self.option)}",
            "linear": "a linear model is enough",
            "more-data": "get more data first",
            "cleaner-data": "get cleaner data first",
        }[self.kind]


def decide(facts: Facts) -> Answer:
    """Return the first rule's answer."""
    found = (rule(facts) for rule in RULES)
    return next(answer for answer in found if answer is not None)


def fast_enough(facts: Facts) -> Answer | None:
    """Change nothing, or only quantize, where that meets every limit of the profile.

    A limit in milliseconds says what is fast enough; a speed-up only says what is wanted at least.
    """
    if not facts.enough_is_said:
        return None
    teacher, quantized = facts.option("teacher"), facts.option("quantize")
    if teacher.meets:
        return Answer(
            "leave",
            "fast_enough",
            f"the teacher as it is meets the profile's limits: {_figures(teacher)}",
            teacher,
        )
    if quantized.meets and _keeps(quantized, facts.goal):
        return Answer(
            "quantize",
            "fast_enough",
            f"the quantized teacher meets the profile's limits, and the teacher misses"
            f" {_listed(teacher)}: {_figures(quantized)}",
            quantized,
        )
    return None


def too_few_rows(facts: Facts) -> Answer | None:
    """Ask for rows where a class has few, or where the last doubling of them brought much."""
    look, curve = facts.look, facts.curve
    if look.rows_a_class < FEWEST_ROWS:
        why = (
            f"a class has {look.rows_a_class:g} rows at the median; under {FEWEST_ROWS} neither a"
            " student nor its judgment can be trusted"
        )
    elif curve.gain >= MOST_GAIN and curve.least_gain > 0:
        why = (
            f"the last doubling of the rows brought a linear model {100 * curve.gain:.1f} points of"
            f" accuracy (at least {100 * curve.least_gain:.1f}), and the next one may bring much"
            " too: more than what a student may lose"
        )
    else:
        return None
    return Answer("more-data", "too_few_rows", f"{why}. Unlabeled text helps too", _wanted(facts))


def too_many_wrong_labels(facts: Facts) -> Answer | None:
    """Ask for cleaner rows where many labels are probably wrong."""
    if facts.suspect_share < MOST_SUSPECTS:
        return None
    why = (
        f"{facts.suspects} of {facts.look.rows} labels ({facts.suspect_share:.0%}) are probably"
        f" wrong; from {MOST_SUSPECTS:.0%} on they cost more than a compression may. The rows are"
        " listed below: correct them, and ask again"
    )
    return Answer("cleaner-data", "too_many_wrong_labels", why, _wanted(facts))


def linear_enough(facts: Facts) -> Answer | None:
    """Take the smallest linear model that surely keeps the goal on rows that it has not seen.

    Its own latency was measured, and may not miss a limit.
    """
    able = [one for one in facts.rivals if _keeps(one, facts.goal) and not one.missed]
    if not able:
        return None
    linear = able[0]
    kept = linear.retention or Estimate()
    why = (
        f"{linear.name} keeps {kept.value:.1%} of the teacher's accuracy (at least"
        f" {kept.lower:.1%}, goal {facts.goal:.1%}) on {facts.held_rows} rows, at"
        f" {_figures(linear)}"
    )
    return Answer("linear", "linear_enough", why, linear)


def little_to_gain(facts: Facts) -> Answer | None:
    """Quantize, or leave the teacher, where the student to take would hardly be faster or smaller.

    Only that one counts: a bag is always far faster, also where nothing says that it is enough.
    """
    teacher, quantized = facts.option("teacher"), facts.option("quantize")
    wanted, why = _wanted(facts), "edgepress cannot cut this architecture"
    if facts.cuts:
        if _gains(wanted, quantized):
            return None
        why = f"a student of {_depth(wanted)} would not be much faster or smaller"
    if _gains(quantized, teacher) and _keeps(quantized, facts.goal):
        return Answer(
            "quantize", "little_to_gain", f"{why}; quantized: {_figures(quantized)}", quantized
        )
    return Answer("leave", "little_to_gain", f"{why}, and quantizing gains little", teacher)


def student(facts: Facts) -> Answer:
    """Distil to the fewest layers whose recorded runs reached the goal."""
    chosen = _wanted(facts)
    known = facts.recorded_range("distil", chosen.layers)
    if facts.order_matters:
        why = (
            f"the order of the words matters here: shuffled, the teacher keeps"
            f" {facts.order.value:.1%} of its accuracy, and a linear model keeps"
            f" {facts.linear.value:.1%}. So not a linear model, and no student of no layer or"
            " without positions; no search was recorded on rows where order decides as much"
        )
    elif known is not None:
        why = (
            f"recorded runs of {_depth(chosen)} kept {known.words}, the"
            f" goal is {facts.goal:.1%}; a linear model keeps {facts.linear.value:.1%} (at least"
            f" {facts.linear.lower:.1%}) at {_figures(facts.best_rival)}"
        )
    else:
        why = _unrecorded(facts, chosen)
    return Answer("distil", "student", f"{why}. Its speed: {_figures(chosen)}", chosen)


RULES: tuple[Callable[[Facts], Answer | None], ...] = (
    fast_enough,
    too_few_rows,
    too_many_wrong_labels,
    linear_enough,
    little_to_gain,
    student,
)


def _wanted(facts: Facts) -> Option:
    """Return the student that the recipe trains: where order matters, the deepest measured."""
    if not facts.students:
        return facts.option("quantize")
    within = [one for one in facts.students if not one.missed] or list(facts.students)
    if facts.order_matters:
        return within[-1]
    for one in within:
        known = facts.recorded_range("distil", one.layers)
        if known is not None and known.upper >= facts.goal:
            return one
    return within[-1]


def _unrecorded(facts: Facts, chosen: Option) -> str:
    others = "none of fewer layers reached the goal"
    if chosen == facts.students[0]:
        others = "no other student is within the profile's limits"
    return f"no run of {_depth(chosen)} on such rows is recorded, and {others}"


def _depth(option: Option) -> str:
    return "no layer (pieces and pairs)" if option.bag else plural(option.layers or 0, "layer")


def _keeps(option: Option, goal: float) -> bool:
    kept = option.retention
    return kept is not None and kept.lower is not None and kept.lower >= goal


def _gains(option: Option, over: Option) -> bool:
    return over.p50_ms / option.p50_ms >= LEAST_STEP or over.size_mb / option.size_mb >= LEAST_STEP


def _figures(option: Option) -> str:
    return (
        f"{option.p50_ms:.3g} ms (p50), {option.speedup:.1f}× the teacher, {option.size_mb:.1f} MB"
    )


def _listed(option: Option) -> str:
    return ", ".join((*option.missed, *option.unknown)) or "none"

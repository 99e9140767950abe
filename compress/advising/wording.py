"""Advice as plain lines and as JSON values. Texts of rows are never shown, only their lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from compress.advising.advise import Advice
from compress.advising.facts import Option
from profiles.plural import plural

_SHOWN = 20


def to_json(advice: Advice) -> dict[str, Any]:
    """Return the advice as JSON values."""
    facts, answer = advice.facts, advice.answer
    labels = advice.survey.teacher.labels
    return {
        "answer": answer.kind,
        "words": answer.words,
        "rule": answer.rule,
        "why": answer.why,
        "layers": answer.option.layers,
        "goal": facts.goal,
        "options": [dataclasses.asdict(option) for option in facts.options],
        "rows": dataclasses.asdict(facts.look),
        "held": advice.held,
        "doubling_gain": {"value": facts.curve.gain, "lower": facts.curve.least_gain},
        "order": {**dataclasses.asdict(facts.order), "matters": facts.order_matters},
        "suspects": [
            {"lines": list(lines), "suggested": labels[one.suggested], "doubt": one.doubt}
            for one, lines in zip(advice.suspects, advice.lines, strict=True)
        ],
        "recorded": None
        if advice.range is None
        else {
            "lower": advice.range.lower,
            "upper": advice.range.upper,
            "runs": [dataclasses.asdict(run) for run in advice.range.runs],
        },
        "money": None if advice.money is None else dataclasses.asdict(advice.money),
        "recipe": str(advice.question.out),
        "warnings": list(advice.warnings),
        "seconds": advice.seconds,
    }


def to_lines(advice: Advice) -> Iterator[str]:
    """Yield the advice in plain words, then its evidence."""
    yield f"advice    {advice.answer.words}"
    yield f"why       {advice.answer.why}"
    yield from _range(advice)
    yield ""
    yield from _table(advice)
    yield ""
    yield from _rows(advice)
    yield from _suspects(advice)
    yield from _money(advice)
    yield f"recipe    {advice.question.out}, checked; {_next(advice)}"
    yield f"took      {advice.seconds / 60:.1f} minutes"


def _range(advice: Advice) -> Iterator[str]:
    known = advice.range
    if known is None:
        if advice.answer.option.kind == "distil":
            yield "recorded  no such run on rows like yours stands in benchmarks/README.md"
        return
    data = "; ".join(dict.fromkeys(run.data for run in known.runs))
    yield (
        f"recorded  {plural(len(known.runs), 'such run')} of edgepress kept {known.words} of their"
        f" teacher's accuracy ({data}). Yours may differ: this is no promise"
    )


def _table(advice: Advice) -> Iterator[str]:
    yield f"{'':37}{'p50 ms':>9}{'speed-up':>10}{'MB':>8}  accuracy and retention"
    for one in advice.facts.options:
        yield (
            f"{one.name:37}{one.p50_ms:>9.3g}{one.speedup:>9.1f}×{one.size_mb:>8.1f}"
            f"  {_kept(one)}{_missed(one)}"
        )


def _kept(one: Option) -> str:
    if one.accuracy is None or one.retention is None:
        return "untrained"
    kept = f"{one.accuracy:.1%}"
    if one.kind == "teacher" or one.retention.value is None or one.retention.lower is None:
        return kept
    return f"{kept}, keeps {one.retention.value:.1%} (at least {one.retention.lower:.1%})"


def _missed(one: Option) -> str:
    missed = f"; misses {', '.join(one.missed)}" if one.missed else ""
    return missed + (f"; undecided: {', '.join(one.unknown)}" if one.unknown else "")


def _rows(advice: Advice) -> Iterator[str]:
    look, facts = advice.facts.look, advice.facts
    yield (
        f"rows      {look.rows} in {look.classes} classes; {look.rows_a_class:g} a class at the"
        f" median, from {look.smallest} ({look.smallest_class!r}) to {look.largest}"
        f" ({look.largest_class!r}); accuracy is judged on {advice.held}"
    )
    yield (
        f"          {look.repeated} repeated texts, {look.contradictory} texts with several labels;"
        f" {look.words_p50:g} words at the median, {look.words_p99:g} at the 99th percentile"
    )
    yield (
        f"          the last doubling of the rows brought a linear model"
        f" {100 * facts.curve.gain:.1f} points (at least {100 * facts.curve.least_gain:.1f})"
    )
    if facts.order.value is not None:
        said = "matters" if facts.order_matters else "matters little, or cannot be told"
        yield (
            f"order     of words {said}: shuffled, the teacher keeps {facts.order.value:.1%} of its"
            " accuracy"
        )


def _suspects(advice: Advice) -> Iterator[str]:
    if not advice.suspects:
        yield "labels    none is surely contradicted"
        return
    share = advice.facts.suspect_share
    yield (
        f"labels    {len(advice.suspects)} ({share:.1%}) are probably wrong, the most doubtful"
        f" first; lines of {advice.survey.given.data.name}:"
    )
    labels = advice.survey.teacher.labels
    for one, lines in list(zip(advice.suspects, advice.lines, strict=True))[:_SHOWN]:
        places = ", ".join(map(str, lines)) or "?"
        yield f"          line {places}: rather {labels[one.suggested]!r}"
    if len(advice.suspects) > _SHOWN:
        yield f"          and {len(advice.suspects) - _SHOWN} more; --json has them all"


def _money(advice: Advice) -> Iterator[str]:
    money = advice.money
    if money is None:
        return
    yield (
        f"money     a million answers cost {money.teacher:.4g} with the teacher and"
        f" {money.choice:.4g} with {advice.answer.option.name}, on a machine that is never idle"
    )
    if money.saved_per_month is not None:
        yield f"          that saves {money.saved_per_month:.4g} a month"
    if money.break_even_answers is not None:
        months = money.break_even_months
        after = "" if months is None else f", {months:.3g} months"
        yield f"          it pays after {money.break_even_answers:,.0f} answers{after}"
    elif money.once is not None:
        yield "          it never pays: the teacher costs no more"


def _next(advice: Advice) -> str:
    return f"next: edgepress run {advice.question.out} --out runs/advised --dry-run"

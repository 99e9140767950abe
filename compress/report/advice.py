"""What to do next about a verdict: what decides an open check, what changes a broken one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from profiles.doubt import Doubt
from profiles.emulated import WHY as EMULATED
from profiles.gate import Check, Status, Verdict

Settings = Mapping[str, Mapping[str, Any]]
"""What a model's stages ran with: by a stage's kind, then by a setting's name."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """Say how much was measured, and how much could be.

    A model had `processes`, of the `most` that the largest tier starts. `noise` says what
    disturbed the machine.
    """

    processes: int
    most: int
    noise: tuple[str, ...] = ()

    def reaches(self, doubt: Doubt) -> bool:
        """Tell whether the largest tier has about an even chance to decide it.

        That takes half of the samples that would decide it four times of five.
        """
        more = self.most - self.processes
        times = self.most / max(self.processes, 1)
        reached = doubt.have * times if doubt.noun == "samples" else doubt.have + more
        return more > 0 and (doubt.needed is None or doubt.needed <= 2 * reached)


class Lever(NamedTuple):
    """Name a stage's setting that moves a figure, and where to: lower, higher, or a value.

    With a value of `done` it moves the figure no further. `one_token` settings are for tasks whose
    head reads one token of a text.
    """

    kind: str
    setting: str
    to: Any
    done: tuple[Any, ...] = ()
    one_token: bool = False


LOWER, HIGHER = "lower", "higher"

_FASTER = (
    Lever("distill", "layers", LOWER, (1,)),
    Lever("prune", "ffn", HIGHER),
    Lever("prune", "heads", HIGHER),
    Lever("quantize", "scheme", "int8-dynamic", ("int8-static",)),
    Lever("quantize", "weights", "int4", one_token=True),
)
_SMALLER = (
    Lever("prune", "vocabulary", True),
    Lever("prune", "alphabet", "seen"),
    Lever("quantize", "embeddings", "int4"),
    Lever("distill", "layers", LOWER, (1,)),
)
_BETTER = (
    Lever("distill", "layers", HIGHER),
    Lever("distill", "epochs", HIGHER),
    Lever("distill", "augment", HIGHER),
    Lever("prune", "ffn", LOWER, (0,)),
    Lever("prune", "heads", LOWER, (0,)),
    Lever("prune", "recovery_epochs", HIGHER),
    Lever("quantize", "exclude", "auto"),
)
_BAG_FASTER = (
    Lever("bag", "blocks", LOWER, (0,)),
    Lever("bag", "width", LOWER),
    Lever("quantize", "embeddings", "int8"),
    Lever("bag", "pairs", LOWER),
)
_BAG_SMALLER = (
    Lever("quantize", "embeddings", "int4"),
    Lever("bag", "pairs", LOWER),
    Lever("bag", "width", LOWER),
)
_BAG_BETTER = (
    Lever("bag", "blocks", HIGHER),
    Lever("bag", "epochs", HIGHER),
    Lever("bag", "width", HIGHER),
    Lever("bag", "pairs", HIGHER),
    Lever("bag", "augment", HIGHER),
)
OF_BAG: Mapping[tuple[Lever, ...], tuple[Lever, ...]] = {
    _FASTER: _BAG_FASTER,
    _SMALLER: _BAG_SMALLER,
    _BETTER: _BAG_BETTER,
}
"""What stands for the levers of layers where a stage `bag` made the model, which has none."""

LEVERS: Mapping[str, tuple[Lever, ...]] = {
    "latency": _FASTER,
    "speedup": _FASTER,
    "throughput": _FASTER,
    "server": _FASTER,
    "idle": _FASTER,
    "model": _FASTER,
    "instructions": _FASTER,
    "energy": _FASTER,
    "encode": (),
    "artifact": _SMALLER,
    "compression": _SMALLER,
    "rss_peak": _SMALLER,
    "cold_start": _SMALLER,
}
"""What moves the metrics whose names begin so; every other metric is one of quality."""

_SHOWN = 3
"""Levers that one line names."""

_LARGEST_TIER = "--tier release"
_ELSEWHERE = (
    "this is not the profile's device: copy the model there and run `edgepress gate` on it"
    " with the same --profile and --data"
)
_SUSTAINED = "`--tier soak` measures how far it slows down under load"
_QUIETER = "on a quieter machine"


def advised(
    verdict: Verdict, measuring: Measuring, settings: Settings, *, one_token: bool = True
) -> Verdict:
    """Return the verdict with advice at each check that keeps it from PASS.

    A broken budget comes first: what is undecided beside it gets no advice. `one_token` tells
    whether the model's task reads one token of a text (`Task.reads_first_token`).
    """
    broken = any(check.counts and check.status is Status.FAIL for check in verdict.checks)
    checks = (
        replace(check, advice=_advice(check, measuring, settings, one_token=one_token))
        if check.counts and (check.status is Status.FAIL or not broken)
        else check
        for check in verdict.checks
    )
    return replace(verdict, checks=tuple(checks))


def _advice(check: Check, measuring: Measuring, settings: Settings, *, one_token: bool) -> str:
    match check.status:
        case Status.PASS:
            return ""
        case Status.FAIL:
            return _change(check, settings, one_token=one_token)
        case Status.WRONG_DEVICE:
            return _ELSEWHERE
        case Status.NOT_MEASURED:
            return _measure(check)
        case _:
            return _decide(check, check.doubt, measuring) if check.doubt else ""


def _decide(check: Check, doubt: Doubt, measuring: Measuring) -> str:
    """Say what decides an open check: rows, processes or a quieter machine."""
    match doubt.cause:
        case "on the limit":
            return "the figure lies on its limit: move the limit, or change the model"
        case "noise":
            return f"repeat it {_quieter(measuring)}"
        case "slowed":
            return f"let the machine cool, or fix its clock rate, and repeat it; {_SUSTAINED}"
        case _ if doubt.noun == "rows":
            return _rows(check, doubt)
        case "slow processes" if "none of" not in doubt.detail:
            return "find what slows some processes down: `edgepress gate --samples FILE` keeps each"
        case "many checks":
            return f"{_larger_tier(measuring)}, or give the profile fewer budgets"
    return _memory(doubt, measuring) if _of_memory(check) else _timed(doubt, measuring)


def _rows(check: Check, doubt: Doubt) -> str:
    if check.budget.metric == "worst_class_retention" and doubt.needed is None:
        return "give at least 20 labeled test rows of every class"
    many = "more" if doubt.needed is None else f"about {doubt.needed:,}"
    said = f"give {many} labeled test rows ({doubt.have:,} now)"
    if check.budget.kind.against == "baseline":
        said += " and save the baseline again on the same rows"
    return f"{said}; a larger tier or a quieter machine does not help"


def _of_memory(check: Check) -> bool:
    return check.budget.metric.startswith("rss_peak")


def _memory(doubt: Doubt, measuring: Measuring) -> str:
    """Say what narrows the interval of a figure of memory, which noise does not widen."""
    if measuring.reaches(doubt):
        return f"repeat it with `{_LARGEST_TIER}`, which takes more {doubt.noun}"
    return f"no tier takes so many {doubt.noun}: move the limit, or change the model"


def _timed(doubt: Doubt, measuring: Measuring) -> str:
    """Say what narrows the interval of a figure that was timed."""
    if measuring.reaches(doubt):
        larger = f"with `{_LARGEST_TIER}`, which takes more {doubt.noun}"
        quieter = f"{_quieter(measuring)}, or " if measuring.noise else ""
        return f"repeat it {quieter}{larger}"
    enough = f"no tier takes so many {doubt.noun}"
    return f"{enough}: repeat it {_quieter(measuring)}, or move the limit, or change the model"


def _larger_tier(measuring: Measuring) -> str:
    larger = measuring.processes < measuring.most
    return f"repeat it with `{_LARGEST_TIER}`" if larger else f"repeat it {_quieter(measuring)}"


def _quieter(measuring: Measuring) -> str:
    return f"{_QUIETER} ({'; '.join(measuring.noise)})" if measuring.noise else _QUIETER


def _measure(check: Check) -> str:
    """Say how a budget comes to be measured at all."""
    metric, kind = check.budget.metric, check.budget.kind
    if check.why == EMULATED:
        return "measure on the board itself, or give the emulator a profile without this budget"
    if metric.startswith("sustained"):
        return "repeat it with `--tier soak`, which measures for minutes in one go"
    if kind.needs_labels and not kind.against:
        return "give test rows with labels"
    if kind.against == "reference":
        return "give --reference, the model that it is compared with, or leave the budget out"
    if kind.against == "baseline":
        return "run `edgepress gate` with --baseline, or leave the budget out"
    return "mend what kept it from being measured, or leave the budget out"


def _change(check: Check, settings: Settings, *, one_token: bool) -> str:
    """Name the settings that move a broken budget's figure, and the command that explains it."""
    metric = check.budget.metric
    explain = f"`edgepress budget explain {metric} MODEL` shows what is behind it"
    if metric.startswith("sustained"):
        return f"cool the device, or give the model fewer threads; {explain}"
    family = next((name for name in LEVERS if metric.startswith(name)), None)
    moved = LEVERS[family] if family else _BETTER
    moved = OF_BAG.get(moved, moved) if "bag" in settings else moved
    levers = [row for row in moved if family or _ran(row, settings)]
    levers = [row for row in levers if one_token or not row.one_token]
    useful = [said for lever in levers if (said := _lever(lever, settings))][:_SHOWN]
    change = f"change the recipe, one setting at a time: {', '.join(useful)}; " if useful else ""
    return change + explain


def _ran(lever: Lever, settings: Settings) -> bool:
    """Tell whether the lever's stage ran; it may have where no stage is known."""
    return not settings or lever.kind in settings


def _lever(lever: Lever, settings: Settings) -> str:
    """Write a lever, and the setting's value where the stage ran; nothing where it is used up."""
    ran = settings.get(lever.kind)
    now = None if ran is None else ran.get(lever.setting)
    where = f"{lever.kind}'s `{lever.setting}`"
    if now == lever.to or now in lever.done:
        return ""
    if lever.to not in (LOWER, HIGHER):
        value = "true" if lever.to is True else f'"{lever.to}"'
        return f"{where} = {value}"
    if ran is None:
        return f"{where} {lever.to}"
    return f"{where} {lever.to} (now {now:g})" if isinstance(now, int | float) else ""

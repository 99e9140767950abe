"""Write a gate's checks in one line each, and say how loudly a CI system is told of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from compress.report import wording
from compress.report.redact import redact
from profiles.gate import Check, Status, Verdict, shown

Policy = Literal["fail", "warn", "pass"]
"""What becomes of a verdict that stays INCONCLUSIVE: `--inconclusive`."""

Weight = Literal["error", "warning", "notice", "none"]
"""How loudly a CI system is told, by the names of GitHub's annotation levels."""

Rank = tuple[bool, int, float]

_MEANINGS = {Status(word): said for word, said in wording.MEANINGS.items()}

LONGEST = 500
"""Characters that are kept of one text; nobody reads more in a table."""
LONGEST_COMMAND = 4_000
LONGEST_LAST_OUTPUT = 4_000
"""Characters kept of a process's output: the last ones, since errors end with their cause."""

_UNDECIDED: dict[Policy, Weight] = {"fail": "error", "warn": "warning", "pass": "notice"}
_GRAVITY = [Status(word) for word in wording.GRAVITY]
_TERMINAL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colors, cursor
    r"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[ -/]*[0-Z\\^-~]"  # the two-character ones
)
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""What XML 1.0 forbids (section 2.2), other controls, and marks that break or reorder lines."""


def plain(text: str, longest: int = LONGEST) -> str:
    """Return the text as one line without controls, paths of a user or secrets, cut to a length."""
    line = " ".join(_printable(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def last_output(text: str) -> str:
    """Return the end of a process's output: its lines, without control characters."""
    lines = _printable(text.replace("\r\n", "\n").replace("\r", "\n")).lstrip("\n").rstrip()
    gone = len(lines) - LONGEST_LAST_OUTPUT
    return lines if gone <= 0 else f"… {gone:,} characters before this\n{lines[gone:]}"


def _printable(text: str) -> str:
    """Drop a terminal's escape sequences and write other unprintable characters as escapes."""
    return _UNPRINTABLE.sub(_escaped, redact(_TERMINAL.sub("", text)))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def limit(check: Check) -> str:
    """Write what the budget asks for, in the metric's own unit: ≤ 8."""
    sign = "≤" if check.budget.side == "max" else "≥"
    return f"{sign} {check.budget.limit:,.6g}"


def distance(check: Check) -> str:
    """Write how far the figure lies from the limit: +14.0 %; nothing where there is none."""
    return "" if check.distance is None else f"{100 * check.distance:+.1f} %"


def note(check: Check) -> str:
    """Write why a check has its status, and why it only warns, where it does."""
    return "; ".join(plain(part) for part in (_leniency(check), check.why) if part)


def _leniency(check: Check) -> str:
    return "only warns" if check.budget.level == "warn" else check.lenient


def sentence(check: Check) -> str:
    """Say a check in one line: the figure and its bounds, limit, distance, why, what to do."""
    parts = [_measured(check), f"limit {limit(check)}", distance(check)]
    said = f"{check.budget.metric}: {', '.join(part for part in parts if part)}"
    next_ = f"next: {plain(check.advice)}" if check.advice else ""
    return "; ".join(part for part in (said, note(check), next_) if part)


def _measured(check: Check) -> str:
    figure = check.measurement
    if figure is None:
        return "not measured"
    level = "" if figure.confidence is None else f" at {100 * figure.confidence:.4g} % confidence"
    return shown(figure) if figure.unsupported else f"measured {shown(figure)}{level}"


def weight(status: Status, policy: Policy, *, counts: bool = True) -> Weight:
    """Return how loudly to tell of a status; a check that does not count is never an error."""
    match status:
        case Status.PASS:
            return "none"
        case Status.FAIL | Status.WRONG_DEVICE:
            return "error" if counts else "warning"
        case _:
            return _UNDECIDED[policy] if counts else "notice"


def rank(check: Check) -> Rank:
    """Return what to sort by for the worst first: what fails, what only warns, what is met.

    Of broken budgets, the one furthest off is the worst.
    """
    harmless = check.status is Status.PASS or not check.counts
    off = abs(check.distance or 0.0) if check.status is Status.FAIL else 0.0
    return (harmless, _GRAVITY.index(check.status), -off)


def verdicts_worst_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Sort verdicts: the gravest first, else in their order."""
    return sorted(verdicts, key=lambda verdict: _GRAVITY.index(verdict.status))


def verdict_text(verdict: Verdict) -> str:
    """Say why a verdict has its status, where none of its checks does."""
    return plain(verdict.why) or _MEANINGS[verdict.status]

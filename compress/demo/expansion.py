"""Templates to sentences: `[a|b]` alternates, `{slot}` fills, `<1-28>` counts."""

import re
from collections.abc import Mapping

from compress.demo.dice import Dice

Slots = Mapping[str, tuple[str, ...]]

# An alternation matches only when it holds no other, so the innermost is resolved first.
_TOKEN = re.compile(
    r"\[(?P<choice>[^\[\]]*)\]|\{(?P<slot>\w+)(?P<tag>:\w)?\}|<(?P<low>\d+)-(?P<high>\d+)>"
)
_SENTENCE_START = re.compile(r"(^|[.!?]\s+)([a-z])")
_REDRAWS = 8


def expand(template: str, slots: Slots, dice: Dice) -> str:
    """Return one sentence of the template, tidy and capitalised."""
    text = _resolve(template, slots, dice, {})
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" ([,.?!:])", r"\1", text)
    return _SENTENCE_START.sub(lambda match: match[0].upper(), text)


def _resolve(text: str, slots: Slots, dice: Dice, bound: dict[str, str]) -> str:
    while match := _TOKEN.search(text):
        text = text[: match.start()] + _value(match, slots, dice, bound) + text[match.end() :]
    return text


def _value(match: re.Match[str], slots: Slots, dice: Dice, bound: dict[str, str]) -> str:
    if match["choice"] is not None:
        choices: list[str] = match["choice"].split("|")
        return dice.pick(choices)
    if match["low"]:
        return str(dice.between(int(match["low"]), int(match["high"])))
    if match[0] not in bound:
        bound[match[0]] = _fresh(match["slot"], slots, dice, bound)
    return bound[match[0]]


def _fresh(slot: str, slots: Slots, dice: Dice, bound: dict[str, str]) -> str:
    """Draw a filling that no other slot of the ticket has, so that {amount:b} differs."""
    for _ in range(_REDRAWS):
        value = _resolve(dice.pick(slots[slot]), slots, dice, bound)
        if value not in bound.values():
            break
    return value

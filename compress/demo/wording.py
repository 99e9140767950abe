"""How a ticket is said: greeting, side remark, request, sign-off, register and slips."""

import re
from collections.abc import Callable

from compress.demo.dice import Dice
from compress.demo.expansion import expand
from compress.demo.lexicon import Lexicon, Wording

OPENER_SHARE = 0.20
CLOSER_SHARE = 0.10
ASIDE_SHARE = 0.11
ASK_SHARE = 0.38
TYPO_SHARE = 0.22

_NEIGHBOURS = {
    "a": "s", "b": "v", "c": "x", "d": "f", "e": "r", "f": "g", "g": "h", "h": "j", "i": "o",
    "j": "k", "k": "l", "l": "k", "m": "n", "n": "m", "o": "p", "p": "o", "q": "w", "r": "t",
    "s": "d", "t": "y", "u": "i", "v": "b", "w": "e", "x": "z", "y": "u", "z": "x",
}  # fmt: skip
_SHORT = {"please": "pls", "because": "bc", "you": "u", "your": "ur", "and": "&", "thanks": "thx"}
_NEVER_LOWERED = re.compile(r"I\b|[A-Z]{2}|Fern|Windows|iPhone|@")


def compose(wording: Wording, lexicon: Lexicon, dice: Dice) -> str:
    """Return one ticket of the wording in full, before register and slips."""
    label = wording.family.label
    body = expand(wording.template, lexicon.slots, dice)
    if dice.chance(ASIDE_SHARE):
        body = _with_aside(body, label, lexicon, dice)
    if dice.chance(ASK_SHARE):
        body = f"{body} {expand(dice.pick(lexicon.asks[label]), lexicon.slots, dice)}"
    if dice.chance(OPENER_SHARE):
        opener = expand(dice.pick(lexicon.openers), lexicon.slots, dice)
        body = f"{opener} {_lowered(body, lexicon) if opener[-1] in ',:' else body}"
    if dice.chance(CLOSER_SHARE):
        body = f"{body} {expand(dice.pick(lexicon.closers), lexicon.slots, dice)}"
    return body


def _with_aside(body: str, label: str, lexicon: Lexicon, dice: Dice) -> str:
    """Add a remark that belongs to another class: the main ask stays the label."""
    other = dice.pick([name for name in lexicon.asides if name != label])
    aside = expand(dice.pick(lexicon.asides[other]), lexicon.slots, dice)
    return f"{aside} {body}" if dice.chance(0.3) else f"{body} {aside}"


def _lowered(body: str, lexicon: Lexicon) -> str:
    first = body.split()[0]
    if _NEVER_LOWERED.match(body) or first in lexicon.slots["name"]:
        return body
    return body[0].lower() + body[1:]


def roughen(text: str, dice: Dice) -> str:
    """Return the text the way that a hurried customer types it."""
    for share, change in _REGISTERS:
        if dice.chance(share):
            text = change(text)
    if dice.chance(TYPO_SHARE):
        text = with_typos(text, dice, 2 if dice.chance(0.35) else 1)
    return text


def _shortened(text: str) -> str:
    return re.sub(r"\w+", lambda match: _SHORT.get(match[0].lower(), match[0]), text)


def _without_apostrophes(text: str) -> str:
    return re.sub(r"(?<=[A-Za-z])'(?=[a-z])", "", text)


def _without_full_stops(text: str) -> str:
    return re.sub(r"[.]+(?= |$)", "", text)


def _without_commas(text: str) -> str:
    return text.replace(",", "")


def _emphatic(text: str) -> str:
    return text.rstrip(".") + "!!"


_REGISTERS: tuple[tuple[float, Callable[[str], str]], ...] = (
    (0.08, _shortened),
    (0.10, _without_apostrophes),
    (0.14, _without_full_stops),
    (0.08, _without_commas),
    (0.03, _emphatic),
    (0.16, str.lower),
    (0.012, str.upper),
)


def with_typos(text: str, dice: Dice, count: int) -> str:
    """Return the text with slips in up to `count` of its longer words."""
    for _ in range(count):
        words = list(re.finditer(r"(?<![\w@.])[A-Za-z]{4,}(?![\w@.])", text))
        if not words:
            break
        word = dice.pick(words)
        text = text[: word.start()] + _slip(word[0], dice) + text[word.end() :]
    return text


def _slip(word: str, dice: Dice) -> str:
    """Drop, double, swap or mistype one letter past the first."""
    at = dice.between(1, len(word) - 2)
    dropped = word[:at] + word[at + 1 :]
    doubled = word[:at] + word[at] + word[at:]
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    mistyped = word[:at] + _NEIGHBOURS.get(word[at], word[at]) + word[at + 1 :]
    return dice.pick((dropped, dropped, swapped, swapped, mistyped, doubled))

"""Scores of answers as SQuAD's own script computes them: exact match, and F1 over words."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)


def normalized(answer: str) -> str:
    """Return an answer in lower case, without punctuation, English articles and extra spaces.

    SQuAD's `normalize_answer` (Rajpurkar et al. 2016, evaluate-v1.1.py).
    """
    plain = "".join(sign for sign in answer.lower() if sign not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def exact_match(said: str, answers: Sequence[str]) -> float:
    """Return 1 where an answer equals one of the right ones, after `normalized`; else 0."""
    return _best(lambda one: float(normalized(said) == normalized(one)), answers)


def token_f1(said: str, answers: Sequence[str]) -> float:
    """Return the highest F1 of an answer's words against one of the right ones, 0 to 1.

    A word counts as often as both have it. Two answers of which one is nothing but articles and
    punctuation share nothing, unless both are (evaluate-v2.0.py).
    """
    return _best(lambda one: _f1(normalized(said).split(), normalized(one).split()), answers)


def _best(score: Callable[[str], float], answers: Sequence[str]) -> float:
    return max(map(score, answers), default=0.0)


def _f1(said: Sequence[str], right: Sequence[str]) -> float:
    if not said or not right:
        return float(said == right)
    shared = (Counter(said) & Counter(right)).total()
    return 2 * shared / (len(said) + len(right))

"""Texts to classify: they never become options, commands or panics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.hostile.case import BAD_INPUT, TOLERATED, Case, Cases

KIND = "texts"
ANSWERED = (0,)
_TEXTS: Mapping[str, str] = {
    "an option": "--rows=/etc/passwd",
    "a switch": "--serve",
    "help": "--help",
    "two dashes": "--",
    "an at sign": "@/etc/passwd",
    "a runner's command": "a\n::error::x",
    "a terminal's command": "\x1b[2J",
    "nothing": "",
    "spaces": " \t\n",
    "a NUL": "a\0b",
    "a character of another plane": "\U0010ffff",
    "joined marks": "e" + "\u0301" * 5000,
    "right to left": "\u202e my card",
    "100,000 words": "card " * 100_000,
    "one word of 1,000,000 characters": "x" * 1_000_000,
    "special tokens": "[CLS] [SEP] [MASK] [PAD] </s>",
}


def cases() -> Cases:
    """Yield each text on the command line of two kinds of folder, and in a file."""
    for name, text in _TEXTS.items():
        codes = ANSWERED if text.strip() else BAD_INPUT
        for model in ("onnx", "bundle"):
            line = ("predict", model, "--", text)
            yield Case(KIND, f"{model}, {name}", line, codes=codes)
            yield Case(KIND, f"{model}, {name}, as JSON", _as_json(line), codes=codes)
        yield Case(
            KIND,
            f"a file with {name}",
            ("predict", "onnx", "--rows", "rows.txt"),
            _file(text),
            codes=TOLERATED,
        )
    yield Case(KIND, "a lone surrogate", ("predict", "onnx", "--", "a\udcffb"), codes=TOLERATED)


def _as_json(line: tuple[str, ...]) -> tuple[str, ...]:
    return (*line[:2], "--json", *line[2:])


def _file(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "rows.txt").write_text(text, encoding="utf-8")

"""Recipes and profiles: each field in turn has a value that it does not expect."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.hostile.case import BAD_INPUT, TOLERATED, Case, Cases
from tests.hostile.ground import DRY_RUN, PROFILE, RECIPE
from tests.hostile.values import changes

SHOW = ("profile", "show", "card.toml")

_TEXTS = {
    "empty": b"",
    "noise": bytes(range(256)),
    "not TOML": b"[[[",
    "a key twice": b"schema = 1\nschema = 1\n",
    "nested 5,000 levels": b"a = " + b"[" * 5000 + b"]" * 5000,
    "an integer of 5,000 digits": b"schema = " + b"9" * 5000,
    "a NUL": b'schema = 1\nname = "a\0"\n',
    "UTF-16": "schema = 1\n".encode("utf-16"),
    "an unknown key": b"schema = 1\nname = 'x'\nlayrs = 1\n",
}


def cases() -> Cases:
    """Yield the cases of both kinds of document."""
    for kind, file, good, arguments in (
        ("recipe", "recipe.toml", RECIPE, DRY_RUN),
        ("profile", "card.toml", PROFILE, SHOW),
    ):
        for name, raw in _TEXTS.items():
            yield Case(kind, name, arguments, _write(file, raw), BAD_INPUT)
        for name, raw in _changed(good):
            yield Case(kind, name, arguments, _write(file, raw), TOLERATED)
    marked = b"\xef\xbb\xbf" + PROFILE.encode()
    yield Case("profile", "a byte order mark", SHOW, _write("card.toml", marked), TOLERATED)
    for name, table in _BUDGETS.items():
        text = f'schema = 1\nname = "card"\n[budgets]\n{table}\n'
        yield Case("profile", f"budget, {name}", SHOW, _write("card.toml", text.encode()))
    for name, text in _PATHS.items():
        recipe = RECIPE.replace('path = "teacher"', f"path = {text}")
        yield Case("recipe", f"teacher, {name}", DRY_RUN, _write("recipe.toml", recipe.encode()))


_BUDGETS = {
    "an unknown metric": "latencyy = {max = 1}",
    "two limits": "accuracy = {min = 0.1, max = 0.2}",
    "the wrong side": "accuracy = {max = 0.1}",
    "no limit": "accuracy = {}",
    "a limit that is NaN": "accuracy = {min = nan}",
    "a limit that is infinite": "accuracy = {min = inf}",
    "a confidence of 1": "accuracy = {min = 0.1, confidence = 1.0}",
    "a confidence next to 1": "accuracy = {min = 0.1, confidence = 0.9999999999999999}",
    "a confidence below a half": "accuracy = {min = 0.1, confidence = 0.1}",
    "a waiver without a reason": "accuracy = {min = 0.1, waiver = {expires = 2030-01-01}}",
}
_PATHS = {
    "no text": '""',
    "a file": '"train.csv"',
    "a folder upwards": '"../../../../../../etc"',
    "a package's parent": '"python:numpy/../../etc"',
    "a package that is none": '"python:no such package"',
    "a NUL": '"a\\u0000b"',
    "5,000 characters": f'"{"a" * 5000}"',
}


def _changed(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield a document with strange values, as far as TOML can write them."""
    import tomli_w

    for name, document in changes(tomllib.loads(text)):
        try:
            yield name, tomli_w.dumps(document).encode()
        except (TypeError, UnicodeEncodeError):
            continue


def _write(file: str, raw: bytes) -> Any:
    def prepare(folder: Path) -> None:
        (folder / file).write_bytes(raw)

    return prepare

"""The licences of a package: each wheel's own files, and the text of edgepress's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from runtimes.errors import InputError

APACHE = "licenses/Apache-2.0.txt"
"""Edgepress's own licence, and that of wheels that name it without holding its text."""

_TEXT = re.compile(r"licen[cs]e|copying|notice", re.IGNORECASE)


def add_licence(folder: Path) -> None:
    """Copy edgepress's own licence into a function's folder; its code is in the bundle."""
    target = folder / APACHE
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(_own_licence(), target)


def licences(site: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return for each wheel its name, what it says its licence is, and the files of the text.

    The files are named as they lie among the packages. Raises InputError for a wheel whose licence
    has no text there.
    """
    return [_licence(site, name) for name in names]


def _licence(folder: Path, name: str) -> dict[str, Any]:
    module = name.replace("-", "_").lower()
    described = next(folder.glob(f"{module}-*.dist-info"))
    places = [described, folder / module]
    texts = sorted({path.relative_to(folder).as_posix() for path in _texts(places)})
    stated = _stated((described / "METADATA").read_text(encoding="utf-8"))
    if not texts and "apache" in stated.lower():
        texts = [APACHE]
    if not texts:
        raise InputError(
            f"{name}: its wheel says {stated!r}, and holds no text of its licence",
            expected="a licence that can go with every copy",
            action="choose another version of the wheel",
        )
    return {"name": name, "licence": stated, "files": texts}


def _texts(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        for path in place.rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc") and _TEXT.search(path.name):
                yield path


def _stated(metadata: str) -> str:
    """Return the licence that a wheel's metadata names."""
    fields = HeaderParser().parsestr(metadata)
    classified = [
        row.rpartition(" :: ")[2]
        for row in fields.get_all("Classifier", [])
        if row.startswith("License ::")
    ]
    told = fields.get("License-Expression") or ", ".join(classified) or fields.get("License") or ""
    return told.strip().partition("\n")[0]


def _own_licence() -> Path:
    """Return the licence file of this installation, or of this checkout."""
    checkout = Path(__file__).parents[2] / "LICENSE"
    if checkout.is_file():
        return checkout
    try:
        listed = [file for file in files("edgepress") or () if file.name == "LICENSE"]
    except PackageNotFoundError:
        listed = []
    if not listed:
        raise InputError(
            "edgepress's own licence is not in this installation",
            expected="LICENSE among the files of its wheel",
            action="install edgepress again",
        )
    return Path(str(listed[0].locate()))

"""The grammar files, read and typed."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LABELS = ("technical", "billing", "feedback", "abuse")
KINDS = ("plain", "mixed")  # mixed families borrow the words of another class


@dataclass(frozen=True, slots=True)
class Family:
    """One scenario: the templates that tell it."""

    label: str
    kind: str
    name: str
    templates: tuple[str, ...]

    @property
    def group(self) -> str:
        """Return the scenario's name behind the class that is meant."""
        return f"{self.label}/{self.name}"

    @property
    def wordings(self) -> tuple["Wording", ...]:
        """Return each template with its number."""
        numbered = enumerate(self.templates, start=1)
        return tuple(Wording(self, number, template) for number, template in numbered)


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to tell a scenario."""

    family: Family
    number: int
    template: str

    @property
    def group(self) -> str:
        """Return the name that rows carry: a group is in one split only."""
        return f"{self.family.group}/{self.number}"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All that tickets are made of."""

    families: tuple[Family, ...]
    slots: Mapping[str, tuple[str, ...]]
    asides: Mapping[str, tuple[str, ...]]
    asks: Mapping[str, tuple[str, ...]]
    openers: tuple[str, ...]
    closers: tuple[str, ...]


@cache
def lexicon() -> Lexicon:
    """Read the grammar that ships with the package."""
    shared = _read("shared")
    classes = {label: _read(label) for label in LABELS}
    return Lexicon(
        families=tuple(
            Family(label, kind, name, _lines(block))
            for label, content in classes.items()
            for kind in KINDS
            for name, block in content[kind].items()
        ),
        slots={name: _lines(block) for name, block in shared["slots"].items()},
        asides={label: _lines(content["asides"]["lines"]) for label, content in classes.items()},
        asks={label: _lines(content["asks"]["lines"]) for label, content in classes.items()},
        openers=_lines(shared["frame"]["openers"]),
        closers=_lines(shared["frame"]["closers"]),
    )


def _read(name: str) -> dict[str, Any]:
    path = files("compress.demo").joinpath("grammar", f"{name}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _lines(block: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in block.splitlines() if line.strip())

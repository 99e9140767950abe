"""The host's Debian sources, without those of third parties, for another architecture."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from runtimes.errors import InputError, UnsupportedError

VARIABLE = "EDGEPRESS_APT_SOURCES"
"""A file of sources to use in place of the host's own."""

_PLACES = ("debian", "debian-security")
"""What the last part of the address of Debian's archives is called, on every mirror."""

RELEASES: Mapping[str, str] = {"3.11": "bookworm", "3.13": "trixie"}
"""Debian's releases that are supported, by the Python that each has."""

_KEPT = ("Types", "URIs", "Suites", "Components", "Signed-By")
"""Also an entry that says `Trusted` is checked here."""


def debian_sources(root: Path = Path("/"), python: str | None = None) -> str:
    """Return the host's Debian sources as text of apt's deb822 format.

    `python` asks for the release that has it, of the same mirrors and keys. Raises UnsupportedError
    on a host without any source: $EDGEPRESS_APT_SOURCES may name a file of them.
    """
    text = _own_sources(root)
    if python is None:
        return text
    release = RELEASES[python]

    def of_release(line: re.Match[str]) -> str:
        return re.sub(r"(?<=[\s:])[a-z]+", release, line[0])

    return re.sub(r"^Suites:.*$", of_release, text, flags=re.MULTILINE)


def _own_sources(root: Path) -> str:
    if named := os.environ.get(VARIABLE):
        try:
            return Path(named).expanduser().read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{VARIABLE}={named}: {error.strerror}",
                expected="a file of apt sources in deb822 format (sources.list(5))",
                action="correct the variable, or unset it to use this host's own sources",
            ) from error
    stanzas = [_written(entry) for entry in _entries(root / "etc/apt") if _is_debian(entry)]
    if not stanzas:
        raise UnsupportedError(
            "this host's apt has no source of Debian itself",
            expected="a Debian host, whose packages exist for every board",
            action="install debian-archive-keyring, write Debian's sources (sources.list(5), "
            f"deb822) to a file, and set {VARIABLE} to its path",
        )
    return "\n\n".join(dict.fromkeys(stanzas)) + "\n"


def _entries(folder: Path) -> Iterator[dict[str, str]]:
    parts = sorted((folder / "sources.list.d").glob("*"))
    for file in [folder / "sources.list", *parts]:
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".sources":
            yield from _stanzas(text)
        elif file.suffix == ".list":
            yield from filter(None, map(_line, text.splitlines()))


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", plain):
        fields = re.findall(r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        entry = {key: value.rstrip() for key, value in fields}
        if entry.get("Enabled", "yes").lower() not in ("no", "false", "0"):
            yield entry


def _line(line: str) -> dict[str, str] | None:
    """Read "deb [signed-by=…] address suite component…"; None for any other line."""
    found = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line.strip())
    if found is None:
        return None
    options = dict(part.split("=", 1) for part in (found[1] or "").split() if "=" in part)
    entry = {"Types": "deb", "URIs": found[2], "Suites": found[3], "Components": found[4].strip()}
    signed = options.get("signed-by")
    return entry | ({"Signed-By": signed} if signed else {})


def _is_debian(entry: dict[str, str]) -> bool:
    places = [urlsplit(place).path.rstrip("/") for place in entry.get("URIs", "").split()]
    ours = bool(places) and all(place.rpartition("/")[2] in _PLACES for place in places)
    return ours and "deb" in entry.get("Types", "").split()


def _written(entry: dict[str, str]) -> str:
    """Write an entry again, for packages alone and without a restriction to architectures."""
    kept = {key: entry[key] for key in _KEPT if key in entry} | {"Types": "deb"}
    return "\n".join(f"{key}:{_after_colon(value)}" for key, value in kept.items())


def _after_colon(value: str) -> str:
    """Return a field's value as it follows the colon: an embedded key begins on the next line."""
    return value if value.startswith("\n") else f" {value}"

"""Debian packages of another architecture: fetched and unpacked without root.

apt-get works in a folder of its own, so the host's packages and lists stay as they are. It reads
the host's Debian sources and keys, so that it checks every signature and hash.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from compress.device.apt_sources import debian_sources
from runtimes.digest import stable_hash
from runtimes.errors import InputError, UnsupportedError
from runtimes.files import file_sha256, write_text

DEBIAN_NAMES: Mapping[str, str] = {"aarch64": "arm64", "armv7l": "armhf", "x86_64": "amd64"}
"""Debian's names of the architectures."""

_FRESH_S = 24 * 3600.0
"""How old lists of packages may be; a security update shows within a day."""

_LIMIT_S = 900.0

_LIBRARY = r"zlib1g|lib(?!perl|pam-).*(?<!-perl)"
"""Names of packages that hold a library: not Perl's modules, nor those of the login."""


class Deb(NamedTuple):
    """Describe one package: its name, version, download and digest; `unpacked_bytes` on a disk."""

    name: str
    version: str
    size_bytes: int
    unpacked_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Debs:
    """Find and fetch packages of one architecture; what is fetched stays below `folder`.

    `sources` is a file of apt's own format in place of the host's Debian sources; `python` asks
    for these of the release that has it.
    """

    arch: str
    folder: Path
    sources: Path | None = None
    python: str | None = None

    def refresh(self) -> None:
        """Fetch the lists of packages, unless those here are young.

        Raises UnsupportedError without apt-get, dpkg-deb or Debian sources, InputError when the
        sources cannot be reached.
        """
        require_tools("apt-get", "apt-cache", "dpkg-deb")
        stamp = self._state() / "fetched"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < _FRESH_S:
            return
        for part in ("state/lists/partial", "cache/archives/partial", "sources"):
            (self._state() / part).mkdir(parents=True, exist_ok=True)
        write_text(self._state() / "status", "")
        write_text(self._state() / "sources" / "debian.sources", self._sources())
        self._apt("apt-get", "update", "-qq", "--error-on=any")
        write_text(stamp, "")

    def describe(self, names: Iterable[str]) -> list[Deb]:
        """Describe the newest version of each package; raise UnsupportedError for unknown ones."""
        return [_described(fields) for fields in self._records(*names)]

    def dependency(self, name: str, pattern: str) -> str:
        """Return the first package that `name` depends on and whose name matches `pattern`.

        So names that hold a version are found: python3.11-minimal, from python3-minimal.
        """
        (fields,) = self._records(name)
        depends = f"{fields.get('Pre-Depends', '')}, {fields.get('Depends', '')}"
        for found in re.findall(r"[a-z0-9][a-z0-9.+-]+", re.sub(r"\([^)]*\)", "", depends)):
            if re.fullmatch(pattern, found):
                return str(found)
        raise UnsupportedError(
            f"Debian's {name} for {self.arch} depends on no package like {pattern}",
            available=depends.strip(", "),
            action="use the sources of a supported Debian release: 12 or newer",
        )

    def with_libraries(self, *names: str) -> list[str]:
        """Return packages with all libraries that they need directly or through others.

        Other packages that they depend on, such as Perl and the installer, are left out.
        """
        said = self._apt(
            *("apt-get", "install", "--print-uris", "-qq", "--no-install-recommends", *names)
        )
        found = [line.split()[1].partition("_")[0] for line in said.splitlines() if line]
        libraries = [name for name in found if re.fullmatch(_LIBRARY, name)]
        return list(dict.fromkeys([*libraries, *names]))

    def fetch(self, debs: Sequence[Deb]) -> list[Path]:
        """Return the packages' files, fetched unless they are here, in the same order."""
        missing = [deb for deb in debs if not self._is_here(deb)]
        if missing:
            self._download(missing)
        return [self._place(deb) for deb in debs]

    def _download(self, debs: Sequence[Deb]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".debs.") as made:
            named = [f"{deb.name}={deb.version}" for deb in debs]
            self._apt("apt-get", "download", "-qq", *named, within=Path(made))
            by_digest = {file_sha256(file): file for file in Path(made).glob("*.deb")}
            for deb in debs:
                if deb.sha256 not in by_digest:
                    raise InputError(
                        f"{deb.name} {deb.version}: the file that came is not the one listed",
                        expected=f"sha256 {deb.sha256}",
                        action="try again; another mirror where it stays so",
                    )
                by_digest[deb.sha256].replace(self._place(deb))

    def _is_here(self, deb: Deb) -> bool:
        place = self._place(deb)
        return place.is_file() and file_sha256(place) == deb.sha256

    def _place(self, deb: Deb) -> Path:
        return self.folder / f"{deb.sha256}.deb"

    def _records(self, *names: str) -> list[dict[str, str]]:
        """Return apt's records of the newest versions of packages."""
        try:
            text = self._apt("apt-cache", "show", "--no-all-versions", *names)
        except InputError as error:
            text, said = "", error.available
        else:
            said = None
        records = {
            fields["Package"]: fields
            for record in text.strip().split("\n\n")
            if (fields := dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", record, re.MULTILINE)))
        }
        if missing := [name for name in names if name not in records]:
            raise UnsupportedError(
                f"Debian's sources here have no {missing[0]} for {DEBIAN_NAMES[self.arch]}",
                available=said,
                action="use the sources of a supported Debian release: 12 or newer",
            )
        return [records[name] for name in names]

    def _sources(self) -> str:
        if self.sources:
            return self.sources.read_text(encoding="utf-8")
        return debian_sources(python=self.python)

    def _state(self) -> Path:
        return self.folder / f"{stable_hash([self.arch, self._sources()])[:32]}.apt"

    def _apt(self, tool: str, *arguments: str, within: Path | None = None) -> str:
        """Run one of apt's tools with this folder as its state; return what it printed."""
        state = self._state()
        settings = {
            "Dir::State": state / "state",
            "Dir::State::status": state / "status",
            "Dir::Cache": state / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",  # some hosts switch these off
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": state / "sources",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": DEBIAN_NAMES[self.arch],
            "APT::Architectures::": DEBIAN_NAMES[self.arch],
            "APT::Sandbox::User": "root",  # else root's apt writes as a user who may not
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "60",
        }
        options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
        try:
            done = subprocess.run(
                [tool, *options, *arguments],
                cwd=within or state,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                capture_output=True,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _failed(tool, arguments, f"no end within {_LIMIT_S:.0f} s") from None
        if done.returncode:
            raise _failed(tool, arguments, _last_words(done.stderr))
        return done.stdout


def _described(fields: Mapping[str, str]) -> Deb:
    return Deb(
        fields["Package"],
        fields["Version"],
        int(fields["Size"]),
        int(fields.get("Installed-Size", 0)) * 1024,
        fields["SHA256"],
    )


def unpack(deb: Path, target: Path) -> None:
    """Unpack a package's files below `target`; nothing of it is run."""
    target.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["dpkg-deb", "--extract", str(deb), str(target)],  # noqa: S607 - Debian's own tool
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InputError(
            f"{deb}: dpkg-deb cannot unpack it ({_last_words(done.stderr)})",
            action="check the free space, then try again",
        )


def require_tools(*tools: str) -> None:
    """Raise UnsupportedError, with the next step, where a tool is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise UnsupportedError(
            f"{', '.join(missing)}: not on this host",
            expected="Debian or Ubuntu, whose apt-get and dpkg-deb fetch packages of any board",
            action="run this in a Debian container, and take the folder from there",
        )


def _failed(tool: str, arguments: Sequence[str], said: str) -> InputError:
    return InputError(
        f"{tool} {arguments[0]} failed",
        available=said,
        action="check the network and the sources of apt, then try again",
    )


def _last_words(said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith("E:")] or said.splitlines()
    return "; ".join(lines[-3:]) or "it said nothing"

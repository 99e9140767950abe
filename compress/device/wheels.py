"""Wheels for a board: chosen by its architecture, Python and C library, downloaded on the host."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from runtimes.errors import InputError, UnsupportedError
from runtimes.files import file_sha256

Say = Callable[[str], None]
"""Take one line about what was chosen."""

_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17, "armv7l": 17}
"""The minor version of the oldest C library that wheels name (PEP 599, PEP 600)."""

_OLDER_TAGS = {"x86_64": ("manylinux1", "manylinux2010", "manylinux2014")}
_LIMIT_S = 900.0


class Wheel(NamedTuple):
    """Describe a wheel to download; `size_bytes` is None where the index does not tell."""

    name: str
    version: str
    file: str
    sha256: str
    size_bytes: int | None


def platform_tags(arch: str, glibc: tuple[int, int]) -> tuple[str, ...]:
    """Return the platform tags of wheels that run with a C library, the newest first.

    pip takes tags as they are: without manylinux_2_35, for example, it chooses an old OpenVINO.
    """
    minors = range(glibc[1], _OLDEST_GLIBC[arch] - 1, -1)
    older = _OLDER_TAGS.get(arch, ("manylinux2014",))
    return tuple(f"manylinux_2_{minor}_{arch}" for minor in minors) + tuple(
        f"{tag}_{arch}" for tag in reversed(older)
    )


def choose_wheels(
    requirements: Sequence[str],
    *,
    arch: str,
    python: str,
    glibc: tuple[int, int],
    say: Say = lambda text: None,
) -> list[Wheel]:
    """Choose a wheel for each requirement, without what it depends on itself.

    A plain name takes the host's installed version, so that both compute with the same code, or
    else the newest that fits; `say` is told so. Raises UnsupportedError where no version has a
    wheel for this platform, InputError where pip fails otherwise.
    """
    target = _Target(arch, python, glibc)
    pinned = [as_installed(requirement) for requirement in requirements]
    try:
        return _resolved(target, pinned)
    except UnsupportedError:
        pass  # one of them has no such wheel: find out which
    return [_chosen(target, name, pin, say) for name, pin in zip(requirements, pinned, strict=True)]


def download_wheels(
    requirements: Sequence[str],
    *,
    arch: str,
    python: str,
    glibc: tuple[int, int],
    folder: Path,
    say: Say = lambda text: None,
) -> list[Path]:
    """Choose a wheel for each requirement, and return the files, kept by content in `folder`.

    `python` is "3.11", `glibc` (2, 36). Raises what `choose_wheels` raises.
    """
    target = _Target(arch, python, glibc)
    wheels = choose_wheels(requirements, arch=arch, python=python, glibc=glibc, say=say)
    return fetch_wheels(wheels, target.arguments(), folder)


def fetch_wheels(wheels: Sequence[Wheel], platform: Sequence[str], folder: Path) -> list[Path]:
    """Return the files of chosen wheels, downloaded with their digests checked unless here."""
    missing = [wheel for wheel in wheels if not _is_here(wheel, folder)]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".wheels.") as made:
            listed = Path(made) / "requirements.txt"
            lines = [f"{one.name}=={one.version} --hash=sha256:{one.sha256}" for one in missing]
            listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
            _pip("download", *platform, "--require-hashes", "-r", str(listed), "--dest", made)
            for wheel in missing:
                place = folder / wheel.sha256 / wheel.file
                place.parent.mkdir(exist_ok=True)
                (Path(made) / wheel.file).replace(place)
    return [folder / wheel.sha256 / wheel.file for wheel in wheels]


def unpack_wheels(wheels: Iterable[Path], target: Path) -> None:
    """Unpack wheels as an installation has them; scripts and data files are left out."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                place = _installed_place(member.filename)
                if place is None or member.is_dir():
                    continue
                file = target / place
                file.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, file.open("wb") as copy:
                    shutil.copyfileobj(source, copy)


def wheel_arguments(arch: str, python: str, glibc: tuple[int, int]) -> list[str]:
    """Return pip's options that name a platform."""
    return _Target(arch, python, glibc).arguments()


class _Target(NamedTuple):
    arch: str
    python: str
    glibc: tuple[int, int]

    def arguments(self) -> list[str]:
        tags = [f"--platform={tag}" for tag in platform_tags(self.arch, self.glibc)]
        return [*tags, f"--python-version={self.python}", "--implementation=cp"]

    def __str__(self) -> str:
        return f"{self.arch}, Python {self.python}, glibc {self.glibc[0]}.{self.glibc[1]}"


def _chosen(target: _Target, requirement: str, pin: str, say: Say) -> Wheel:
    """Choose one wheel: the host's version, else the newest."""
    try:
        return _resolved(target, [pin])[0]
    except UnsupportedError as error:
        if pin == requirement:
            raise _without_wheel(target, requirement, error) from error
    try:
        newest = _resolved(target, [requirement])[0]
    except UnsupportedError as error:
        raise _without_wheel(target, requirement, error) from error
    say(f"{pin} has no wheel for {target}: {newest.version} is taken")
    return newest


def _without_wheel(target: _Target, requirement: str, error: InputError) -> UnsupportedError:
    return UnsupportedError(
        f"{requirement}: no version has a wheel for {target}",
        available=error.available,
        action="choose a runtime that has wheels for this platform, or build one for the board",
    )


def as_installed(requirement: str) -> str:
    """Pin a plain name to the host's installed version."""
    if not re.fullmatch(r"[\w.-]+", requirement):
        return requirement
    try:
        return f"{requirement}=={version(requirement).partition('+')[0]}"
    except PackageNotFoundError:
        return requirement


def _resolved(target: _Target, requirements: Sequence[str]) -> list[Wheel]:
    with tempfile.TemporaryDirectory() as nowhere:  # pip wants a place for a foreign platform
        said = _pip(
            *("install", "--dry-run", "--ignore-installed", "--target", nowhere),
            *(*target.arguments(), "--quiet", "--report", "-", *requirements),
        )
    found = {_normal(row["metadata"]["name"]): row for row in json.loads(said)["install"]}
    return [_wheel(found[_normal(name)]) for name in requirements]


def _normal(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0] if name else requirement).lower()


def _wheel(row: dict[str, dict[str, object]]) -> Wheel:
    download = row["download_info"]
    address = str(download["url"])
    hashes = download["archive_info"]["hashes"]  # type: ignore[index]
    file = address.partition("#")[0].rpartition("/")[2].replace("%2B", "+")
    metadata = row["metadata"]
    return Wheel(
        *(str(metadata["name"]), str(metadata["version"]), file),
        *(hashes["sha256"], _size(address)),
    )


def _size(address: str) -> int | None:
    """Ask for a file's size; None where the server does not tell."""
    try:
        asked = urllib.request.Request(address, method="HEAD")  # noqa: S310 - pip's own address
        with urllib.request.urlopen(asked, timeout=30) as reply:  # noqa: S310
            return int(reply.headers["Content-Length"])
    except (OSError, ValueError, TypeError, urllib.error.URLError):
        return None


def _is_here(wheel: Wheel, folder: Path) -> bool:
    place = folder / wheel.sha256 / wheel.file
    return place.is_file() and file_sha256(place) == wheel.sha256


def _installed_place(name: str) -> str | None:
    """Return where a wheel's file belongs below site-packages; None for scripts and data."""
    top, _, rest = name.partition("/")
    if ".." in name.split("/") or name.startswith("/"):
        raise InputError(f"a wheel's file is called {name!r}", action="download the wheel again")
    if not top.endswith(".data"):
        return name
    part, _, inner = rest.partition("/")
    return inner if part in ("purelib", "platlib") else None


def _pip(command: str, *arguments: str) -> str:
    common = ("--no-deps", "--only-binary=:all:", "--disable-pip-version-check")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", command, *common, *arguments],
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"no end within {_LIMIT_S:.0f} s") from None
    if done.returncode == 0:
        return done.stdout
    if "No module named pip" in done.stderr:
        raise UnsupportedError(
            "pip is not installed beside edgepress, and it chooses a board's wheels",
            action=f"{sys.executable} -m ensurepip",
        )
    if "No matching distribution" in done.stderr:
        raise UnsupportedError(
            "pip finds no such wheel", available=_errors(done.stderr), action="choose another"
        )
    raise _failed(_errors(done.stderr))


def _errors(said: str) -> str:
    lines = [line[7:] for line in said.splitlines() if line.startswith("ERROR: ")]
    if lines == ["Exception:"]:  # a traceback follows, whose last line says what happened
        lines = [said.strip().splitlines()[-1]]
    return "; ".join(lines[:2])[:400] or said[-400:].strip() or "it said nothing"


def _failed(said: str) -> InputError:
    return InputError(
        "pip cannot fetch a board's wheels",
        available=said,
        action="check the network and pip's own settings, then try again",
    )

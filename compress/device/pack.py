"""A pack: one folder with all that a device needs to measure, started by its own loader.

The device needs neither Python nor root nor a network for it, and nothing of its own C library.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from compress.device.apt_sources import debian_sources
from compress.device.debs import Deb, Debs, unpack
from compress.device.pack_build import build
from compress.device.pack_layout import CONTENTS, LAUNCHER
from compress.device.pack_parts import (
    DEBS,
    VERSIONED,
    VERSIONED_OF_PYTHON,
    Parts,
    parts_of,
)
from compress.device.wheels import (
    Wheel,
    choose_wheels,
    fetch_wheels,
    unpack_wheels,
    wheel_arguments,
)
from compress.places import cache_root, check_room
from compress.progress import Progress, Silence
from compress.run.cache_owner import claim
from compress.storage.scratch import scratch_folder
from compress.storage.seal import is_sealed_folder, seal_folder
from compress.storage.sources import code_digest
from runtimes.digest import stable_hash
from runtimes.files import folder_bytes, new_folder
from runtimes.parsing import parse_json

_UNPACKED_RATIO = 2.6
"""A pack's bytes for each byte downloaded, before it is built; see benchmarks/README.md."""


@dataclass(frozen=True, slots=True)
class PackPlan:
    """Say what a pack is made of, before anything large is downloaded.

    `python` is "3.11", `glibc` (2, 36).
    """

    parts: Parts
    python: str
    glibc: tuple[int, int]
    debs: tuple[Deb, ...]
    wheels: tuple[Wheel, ...]

    @property
    def download_mb(self) -> float:
        """Return the size of all parts as they are downloaded, in MB; unknown ones count 0."""
        debs = sum(deb.size_bytes for deb in self.debs)
        return (debs + sum(wheel.size_bytes or 0 for wheel in self.wheels)) / 1e6

    @property
    def folder_mb(self) -> float:
        """Estimate the size of the pack's folder, in MB."""
        return self.download_mb * _UNPACKED_RATIO


@dataclass(frozen=True, slots=True)
class Pack:
    """Name a finished pack: its folder, and what its pack.json says."""

    folder: Path
    contents: dict[str, Any]

    @property
    def python(self) -> Path:
        """Return the script that starts its Python."""
        return self.folder / LAUNCHER

    @property
    def size_mb(self) -> float:
        """Return the size of its files, in MB."""
        return folder_bytes(self.folder) / 1e6


def build_pack(
    arch: str | None,
    runtime: str,
    folder: Path | None = None,
    *,
    progress: Progress | None = None,
    fresh: bool = False,
    python: str | None = None,
) -> Pack:
    """Return the pack for an architecture and runtime; build it unless it is kept already.

    It stands in the user's cache, and is copied to `folder` where one is given. `fresh` looks for
    newer packages; `python` asks for the Debian release that has it, in place of the host's own.
    Raises UnsupportedError where no such pack can be made, InputError where its parts cannot be
    fetched or the disk is full.
    """
    progress = progress or Silence()
    parts = parts_of(arch, runtime)
    root = cache_root()
    claim(root)
    key = _key(parts, python)
    kept = root / "packs" / key
    (root / "locks").mkdir(exist_ok=True)
    with FileLock(root / "locks" / key):
        if fresh or not is_sealed_folder(kept):
            _make(parts, kept, progress, python)
    if folder is None:
        return read_pack(kept)
    check_room(folder, folder_bytes(kept))
    with new_folder(folder) as target:
        shutil.copytree(kept, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".seal"))
    return read_pack(folder)


def read_pack(folder: Path) -> Pack:
    """Return the pack in a folder."""
    return Pack(folder, parse_json((folder / CONTENTS).read_text(encoding="utf-8")))


def plan_pack(parts: Parts, progress: Progress, python: str | None = None) -> PackPlan:
    """Choose the packages of a pack; only lists are downloaded."""
    source = debs_for(parts.arch, python)
    source.refresh()
    named = [source.dependency(name, pattern) for name, pattern in VERSIONED]
    minimal = next(name for name in named if name.startswith("python"))
    minor = minimal.removeprefix("python3.").partition("-")[0]
    named += [
        source.dependency(name.format(minor=minor), pattern)
        for name, pattern in VERSIONED_OF_PYTHON
    ]
    debs = tuple(source.describe((*DEBS, *named)))
    libc = next(deb.version for deb in debs if deb.name == "libc6")
    major, _, rest = libc.partition(".")
    glibc = (int(major), int(rest.partition("-")[0]))
    chosen = choose_wheels(
        parts.wheels, arch=parts.arch, python=f"3.{minor}", glibc=glibc, say=progress.warn
    )
    return PackPlan(parts, f"3.{minor}", glibc, debs, tuple(chosen))


def _make(parts: Parts, target: Path, progress: Progress, python: str | None) -> None:
    plan = plan_pack(parts, progress, python)
    progress.note(
        f"pack for {parts.arch} with {parts.runtime}: {plan.download_mb:.0f} MB to download, "
        f"about {plan.folder_mb:.0f} MB as a folder"
    )
    check_room(target, int((plan.download_mb + 3 * plan.folder_mb) * 1e6))
    with progress.task("pack", 4) as advance:
        debs = debs_for(parts.arch, python).fetch(plan.debs)
        advance(1, "Debian packages")
        platform = wheel_arguments(parts.arch, plan.python, plan.glibc)
        wheels = fetch_wheels(plan.wheels, platform, cache_root() / "wheels")
        advance(1, "wheels")
        with scratch_folder() as scratch, new_folder(target) as made:
            root, site = scratch / "root", scratch / "site"
            for deb in debs:
                unpack(deb, root)
            unpack_wheels(wheels, site)
            advance(1, "unpacked")
            build(plan.parts, plan.python, plan.debs, plan.wheels, root, site, made)
            advance(1, "built")
        seal_folder(target)


def debs_for(arch: str, python: str | None = None) -> Debs:
    """Return the packages of an architecture, kept in the user's cache."""
    return Debs(arch, cache_root() / "debs", python=python)


def _key(parts: Parts, python: str | None) -> str:
    """Return the digest of a pack's recipe: its parts, where they come from, and this code."""
    sources = debian_sources(python=python)
    return stable_hash([parts.arch, parts.runtime, *parts.pinned(), sources, code_digest(__name__)])

"""Build a package: wheels of the target, the function's folder, its zip, and what proves them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.device.pack_parts import Parts, parts_of
from compress.device.wheels import (
    Wheel,
    choose_wheels,
    fetch_wheels,
    unpack_wheels,
    wheel_arguments,
)
from compress.package.archive import write_zip
from compress.package.check import ROWS, Checked, check_function
from compress.package.contents import verify_package, write_contents
from compress.package.folder import FUNCTION, assemble, compile_modules
from compress.package.interpreter import Interpreter, find_interpreter
from compress.package.licences import licences
from compress.package.targets import Target, python_for
from compress.package.template import MEMORY_MB, sam_template
from compress.places import cache_root, check_apart, check_room
from compress.progress import Progress
from compress.run.cache_owner import claim
from compress.storage.scratch import scratch_folder
from runtimes.artifact import Artifact, open_artifact
from runtimes.errors import ArtifactError, InputError
from runtimes.files import folder_bytes, new_folder
from runtimes.manifest import read_manifest
from runtimes.runtime import runs_in

ZIP = "function.zip"
TEMPLATE = "template.yaml"

_ROOM_BYTES = 400_000_000
"""For the wheels, the function's folder and its zip; the model comes on top."""


@dataclass(frozen=True, slots=True)
class Order:
    """Say what to package, and for what; `rows` are what the package is checked with."""

    bundle: Path
    target: Target
    python: str | None = None
    memory_mb: int = MEMORY_MB
    rows: Sequence[Any] = ()
    interpreter: Path | None = None


@dataclass(frozen=True, slots=True)
class Package:
    """Name a finished package: its folder, its manifest, and how it was checked."""

    folder: Path
    content: dict[str, Any]
    checked: Checked


def build_package(order: Order, out: Path, progress: Progress) -> Package:
    """Write a bundle's package for a target to `out`, whole or not at all.

    Raises ArtifactError for what is no bundle, UnsupportedError for what the target cannot run,
    InputError for a package larger than the target takes, QualityError for one that answers
    otherwise than the bundle.
    """
    bundle = _opened(order.bundle)
    python = python_for(order.target, order.python)
    parts = parts_of(order.target.arch, runs_in(bundle.format))
    _check_out(out, order.bundle)
    check_room(out, _ROOM_BYTES + 2 * folder_bytes(order.bundle))
    with scratch_folder() as scratch:
        interpreter = find_interpreter(
            order.target.arch, python, order.interpreter, scratch / "prefix"
        )
        wheels, files = _wheels(parts, order.target, python, progress)
        unpack_wheels(files, scratch / "site")
        return make_package(order, bundle, wheels, scratch / "site", interpreter, out, progress)


def make_package(
    order: Order,
    bundle: Artifact,
    wheels: Sequence[Wheel],
    site: Path,
    interpreter: Interpreter,
    out: Path,
    progress: Progress,
) -> Package:
    """Write the package of a bundle and of wheels that are unpacked in `site`."""
    python = python_for(order.target, order.python)
    with new_folder(out) as made:
        function = made / FUNCTION
        assemble(bundle, site, function)
        texts = licences(function, [wheel.name for wheel in wheels])
        if interpreter.command:
            compile_modules(function, interpreter.command)
        progress.note("writing the zip")
        write_zip(function, made / ZIP)
        sizes = _checked_sizes(order.target, made)
        progress.note("asking the package")
        checked = check_function(function, order.bundle, order.rows or ROWS, interpreter)
        if order.target.sam_arch:
            template = sam_template(order.target, python, order.memory_mb)
            (made / TEMPLATE).write_text(template, encoding="utf-8")
        described = _description(order.target, python, bundle, wheels)
        content = write_contents(
            made,
            {
                **described,
                **sizes,
                "compiled": bool(interpreter.command),
                "checked": dataclasses.asdict(checked),
                "licences": texts,
            },
        )
    return Package(out, content, checked)


def _opened(folder: Path) -> Artifact:
    """Return a bundle, its files checked; raise ArtifactError for an artifact without code."""
    bundle = open_artifact(folder)
    if not read_manifest(folder).runtimes:
        raise ArtifactError(
            f"{folder}: an artifact, not a bundle: it has no code that runs it",
            expected="the folder that `edgepress bundle` or `edgepress run` writes",
            action=f"edgepress bundle {folder} --out bundle",
        )
    return bundle


def _check_out(out: Path, bundle: Path) -> None:
    """Raise InputError where `out` holds anything but a package that may be replaced."""
    check_apart(out, bundle)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        verify_package(out)
    except ArtifactError as error:
        raise InputError(
            f"--out {out}: holds something else than an unchanged package",
            expected="a new or empty folder, or a package to replace",
            available=error.received,
            action="choose another --out",
        ) from error


def _wheels(
    parts: Parts, target: Target, python: str, progress: Progress
) -> tuple[list[Wheel], list[Path]]:
    """Choose the target's wheels, and return them with their files, from the cache where there."""
    root = cache_root()
    claim(root)
    chosen = choose_wheels(
        parts.wheels, arch=target.arch, python=python, glibc=target.glibc, say=progress.warn
    )
    said = ", ".join(f"{wheel.name} {wheel.version}" for wheel in chosen)
    progress.note(f"{target.name}, Python {python}: {said}")
    platform = wheel_arguments(target.arch, python, target.glibc)
    return chosen, fetch_wheels(chosen, platform, root / "wheels")


def _checked_sizes(target: Target, made: Path) -> dict[str, Any]:
    """Return the sizes beside the limits; raise InputError where one is larger than its limit."""
    sizes = {
        "zip": ((made / ZIP).stat().st_size, target.zip_limit_bytes),
        "unzipped": (folder_bytes(made / FUNCTION), target.unzipped_limit_bytes),
    }
    for name, (size, limit) in sizes.items():
        if limit is not None and size > limit:
            raise InputError(
                f"the package is {size / 1e6:.1f} MB {name}",
                expected=f"at most {limit / 1e6:.1f} MB, as {target.name} takes",
                action="take a smaller model: prune its vocabulary and layers, or quantize it",
            )
    return {
        key: value
        for name, (size, limit) in sizes.items()
        for key, value in ((f"{name}_bytes", size), (f"{name}_limit_bytes", limit))
    }


def _description(
    target: Target, python: str, bundle: Artifact, wheels: Sequence[Wheel]
) -> dict[str, Any]:
    return {
        "target": target.name,
        "arch": target.arch,
        "python": python,
        "bundle_digest": bundle.digest,
        "wheels": [
            {"name": w.name, "version": w.version, "file": w.file, "sha256": w.sha256}
            for w in wheels
        ],
    }

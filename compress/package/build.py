"""Build a package: wheels of the target, its layout, and what proves them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.device.pack_parts import parts_of
from compress.device.wheels import (
    Wheel,
    choose_wheels,
    fetch_wheels,
    unpack_wheels,
    wheel_arguments,
)
from compress.package.check import ROWS, Checked, check_function
from compress.package.contents import verify_package, write_contents
from compress.package.folder import missing_code, runtime_of, strip
from compress.package.interpreter import find_interpreter
from compress.package.layout import NO_WISHES, Laid, Material, Wishes
from compress.package.licences import licences
from compress.package.parts import write_bill, write_requirements
from compress.package.targets import Target, python_for
from compress.places import cache_root, check_apart, check_room
from compress.progress import Progress
from compress.run.cache_owner import claim
from compress.storage.scratch import scratch_folder
from runtimes.artifact import Artifact, open_artifact
from runtimes.errors import ArtifactError, InputError
from runtimes.files import folder_bytes, new_folder
from runtimes.manifest import read_manifest
from runtimes.predict import packages

_ROOM_BYTES = 400_000_000
"""For the wheels, the package's folder and its zip; the model comes on top."""


@dataclass(frozen=True, slots=True)
class Order:
    """Say what to package, and for what; `rows` are what the package is checked with."""

    bundle: Path
    target: Target
    python: str | None = None
    rows: Sequence[Any] = ()
    interpreter: Path | None = None
    wishes: Wishes = NO_WISHES


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
    _check_wishes(order)
    names = _packages(bundle, order.target)
    _check_out(out, order.bundle)
    check_room(out, _ROOM_BYTES + 2 * folder_bytes(order.bundle))
    settled = order.target.opened().settle(order.target, progress)
    named = order.interpreter or settled.interpreter
    order = dataclasses.replace(order, target=settled.target, interpreter=named)
    python = python_for(order.target, order.python)
    with scratch_folder() as scratch:
        interpreter = find_interpreter(
            order.target.arch, python, order.interpreter, scratch / "prefix"
        )
        wheels, files = _wheels(
            (*names, *order.target.opened().wheels), order.target, python, progress
        )
        (scratch / "site").mkdir()
        unpack_wheels(files, scratch / "site")
        material = Material(
            *(order.target, python, bundle, scratch / "site", wheels, interpreter),
            scratch=scratch,
            wishes=order.wishes,
            debs=settled.debs,
        )
        return make_package(order, material, out, progress)


def make_package(order: Order, material: Material, out: Path, progress: Progress) -> Package:
    """Write the package of a bundle and of wheels that are unpacked."""
    runtime = runtime_of(material.bundle.path)
    strip(material.site, runtime)
    texts = licences(material.site, [wheel.name for wheel in material.wheels])
    with new_folder(out) as made:
        progress.note("writing the package")
        laid = order.target.opened().write(material, made)
        sizes = _checked_sizes(order.target, laid)
        progress.note("asking the package")
        checked = check_function(laid, order.bundle, order.rows or ROWS, material.interpreter)
        write_requirements(made, material.wheels)
        if why_not := write_bill(made, material, texts):
            progress.warn(why_not)
        content = write_contents(
            made,
            {
                **_description(material),
                **sizes,
                "archives": dict(laid.archives),
                "image": laid.image,
                "runtime": runtime,
                "compiled": bool(material.interpreter.command),
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
    if missing := missing_code(folder):
        raise ArtifactError(
            f"{folder}: a bundle of an older edgepress: it has no {', '.join(missing)}",
            expected="the code of this version, which packages use",
            action=f"write its code again: edgepress bundle {folder} --out bundle",
        )
    return bundle


def _packages(bundle: Artifact, target: Target) -> tuple[str, ...]:
    """Return the packages that a bundle's runtime and task import, of which wheels are taken.

    Raises UnsupportedError for a runtime whose wheels nothing here knows.
    """
    manifest = read_manifest(bundle.path)._replace(runtimes={}, task_class="")
    runtime = runtime_of(bundle.path)
    names = tuple(dict.fromkeys(packages(manifest, runtime)))
    if names:
        parts_of(target.arch, runtime)
    return names


def _check_wishes(order: Order) -> None:
    """Raise InputError for a wish that the target's layout does not heed."""
    heeded = order.target.opened().reads
    for wish in dataclasses.fields(Wishes):
        if getattr(order.wishes, wish.name) != wish.default and wish.name not in heeded:
            option = "--" + wish.name.replace("_", "-")
            raise InputError(
                f"{option}: {order.target.name} has no use for it",
                available=", ".join(sorted("--" + name.replace("_", "-") for name in heeded)),
                action=f"leave {option} out, or choose another --target",
            )


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
    names: Sequence[str], target: Target, python: str, progress: Progress
) -> tuple[list[Wheel], list[Path]]:
    """Choose the target's wheels, and return them with their files, from the cache where there."""
    if not names:
        return [], []
    root = cache_root()
    claim(root)
    chosen = choose_wheels(
        names, arch=target.arch, python=python, glibc=target.glibc, say=progress.warn
    )
    said = ", ".join(f"{wheel.name} {wheel.version}" for wheel in chosen)
    progress.note(f"{target.name}, Python {python}: {said}")
    platform = wheel_arguments(target.arch, python, target.glibc)
    return chosen, fetch_wheels(chosen, platform, root / "wheels")


def _checked_sizes(target: Target, laid: Laid) -> dict[str, Any]:
    """Return the sizes beside the limits; raise InputError where one is larger than its limit."""
    for name, size in laid.sizes.items():
        limit = target.limits.get(name)
        if limit is not None and size > limit:
            raise InputError(
                f"the package is {size / 1e6:.1f} MB {name}",
                expected=f"at most {limit / 1e6:.1f} MB, as {target.name} takes",
                action=_smaller(target, laid),
            )
    return {
        key: value
        for name, size in laid.sizes.items()
        for key, value in (
            (f"{name}_bytes", size),
            (f"{name}_limit_bytes", target.limits.get(name)),
        )
    }


def _smaller(target: Target, laid: Laid) -> str:
    """Say how a package becomes smaller; a layer has a limit of its own."""
    split = "layer" in target.opened().reads and "layer_zip" not in laid.sizes
    layer = "put the packages into a layer by --layer, or " if split else ""
    return f"{layer}take a smaller model: prune its vocabulary and layers, or quantize it"


def _description(material: Material) -> dict[str, Any]:
    return {
        "target": material.target.name,
        "arch": material.target.arch,
        "python": material.python,
        "bundle_digest": material.bundle.digest,
        "wheels": [
            {"name": w.name, "version": w.version, "file": w.file, "sha256": w.sha256}
            for w in material.wheels
        ],
    }

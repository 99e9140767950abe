"""Compare the size of a Lambda package with what else a user would upload.

python -m benchmarks.packages --bundle FOLDER --target lambda-x86 --python 3.13 --json FILE

Three packages of the same bundle, for the same platform, as zips of the same code; --bundle may be
given again, such as with runs/demo/bundle of `edgepress demo`:

- `edgepress`: what `edgepress package` makes;
- `by hand`: the bundle, and `pip install --target` of the packages that it imports, whole;
- `naive`: the bundle, and `pip install --target` of onnxruntime and transformers with all that pip
  resolves for them; torch is no requirement of either.

The two others hold no compiled modules and no handler: they are smaller than what would run. Each
size stands beside the target's limit and the 50 to 100 MB that a brief for such packages asks for
for model and packages. --json FILE holds `schema_version` and `bundles`, each with `bundle`,
`machine`, `target`, `python`, `model_bytes`, `compiled`, `limits` and `packages`, by name
`zip_bytes` and `unzipped_bytes`, and the `wheels` with their versions. The limits do not stop this:
what is over one is said.
"""

from __future__ import annotations

import dataclasses
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks.command import run
from compress.device.wheels import wheel_arguments
from compress.package.archive import write_zip
from compress.package.build import Order, build_package
from compress.package.targets import TARGETS, Target, python_for, target_of
from compress.progress import Silence
from runtimes.artifact import open_artifact
from runtimes.errors import InputError
from runtimes.files import folder_bytes
from runtimes.manifest import read_manifest
from runtimes.predict import packages as imported_packages

BRIEF_MB = (50, 100)
NAIVE = ("onnxruntime", "transformers")
_LIMIT_S = 1800


@click.command(context_settings={"show_default": True})
@click.option(
    "--bundle",
    "bundles",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="A bundle; may be repeated.",
)
@click.option("--target", "name", default="lambda-x86", type=click.Choice(list(TARGETS)))
@click.option("--python", default=None, help="The target's Python.", show_default="its newest")
@click.option(
    "--interpreter",
    type=click.Path(path_type=Path),
    help="The target's Python: with it edgepress's package has compiled modules.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(
    json_file: Path | None,
    bundles: tuple[Path, ...],
    name: str,
    python: str | None,
    interpreter: Path | None,
) -> None:
    """Compare the size of a Lambda package with what else a user would upload."""
    target = target_of(name)

    def compared() -> dict[str, Any]:
        rows = [compare(bundle, target, python, interpreter) for bundle in bundles]
        return {"schema_version": 2, "bundles": rows}

    run(compared, table, json_file)


def compare(
    bundle: Path, target: Target, python: str | None, interpreter: Path | None = None
) -> dict[str, Any]:
    """Build the three packages in a temporary folder, and return their sizes."""
    version = python_for(target, python)
    artifact = open_artifact(bundle)
    manifest = read_manifest(bundle)._replace(runtimes={}, task_class="")
    needed = imported_packages(manifest, None)
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        free = dataclasses.replace(target, limits={})
        order = Order(bundle, free, version, interpreter=interpreter)
        own = build_package(order, place / "own", Silence()).content
        sizes = {"edgepress": {key: own[key] for key in ("zip_bytes", "unzipped_bytes")}}
        found = {"edgepress": {row["name"]: row["version"] for row in own["wheels"]}}
        for name, wanted in {"by hand": needed, "naive": NAIVE}.items():
            folder = place / name
            _install(target, version, wanted, folder)
            artifact.copy(folder / "bundle")
            write_zip(folder, place / f"{name}.zip")
            sizes[name] = {
                "zip_bytes": (place / f"{name}.zip").stat().st_size,
                "unzipped_bytes": folder_bytes(folder),
            }
            found[name] = _versions(folder)
    return {
        "bundle": str(bundle),
        "machine": platform.machine(),
        "target": target.name,
        "python": version,
        "model_bytes": folder_bytes(bundle),
        "compiled": own["compiled"],
        "limits": dict(target.limits),
        "packages": {name: {**sizes[name], "wheels": found[name]} for name in sizes},
    }


def _install(target: Target, python: str, names: tuple[str, ...], folder: Path) -> None:
    """Install packages with all that they require, as pip resolves them for the target."""
    folder.mkdir()
    if not names:
        return
    words = ["install", "--quiet", "--no-compile", "--only-binary=:all:", "--target", str(folder)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", *words),
            *(*wheel_arguments(target.arch, python, target.glibc), *names),
        ],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise InputError(
            f"pip cannot install {', '.join(names)}",
            available=done.stderr[-400:],
            action="check the network, or choose another --python",
        )


def _versions(folder: Path) -> dict[str, str]:
    described = (path.name.removesuffix(".dist-info") for path in folder.glob("*.dist-info"))
    return {name.rpartition("-")[0]: name.rpartition("-")[2] for name in sorted(described)}


def table(figures: Mapping[str, Any]) -> str:
    """Return the sizes as lines for people."""
    return "\n\n".join(map(_table, figures["bundles"]))


def _table(figures: Mapping[str, Any]) -> str:
    limits = figures["limits"]
    named = f"{figures['bundle']}, {figures['model_bytes'] / 1e6:.1f}"
    lines = [f"{figures['target']}, Python {figures['python']}; {named}; MB of 10^6 bytes"]
    for name, sizes in figures["packages"].items():
        cells = []
        for size in ("zip", "unzipped"):
            value, limit = sizes[f"{size}_bytes"], limits.get(size)
            over = " OVER" if limit and value > limit else ""
            beside = f" of {limit / 1e6:.1f}{over}" if limit else ""
            cells.append(f"{size} {value / 1e6:.1f}{beside}")
        lines.append(f"{name:<10} {'; '.join(cells)}; {len(sizes['wheels'])} wheels")
    lines.append(f"{'brief':<10} {BRIEF_MB[0]} to {BRIEF_MB[1]}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

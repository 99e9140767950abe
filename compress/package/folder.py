"""The parts of a function's folder: stripped packages, the bundle, what answers events."""

from __future__ import annotations

import shutil
from pathlib import Path

from compress.device.pack_build import leave_out
from compress.device.pack_parts import left_out
from compress.package import function, lambda_client
from compress.package.licences import add_licence
from runtimes.artifact import Artifact
from runtimes.manifest import read_content, read_manifest, write_content

BUNDLE = "bundle"
ENTRY = "handler.py"
BOOTSTRAP, CLIENT = "bootstrap.py", "lambda_client.py"
"""Not runtime_client: AWS's client has a native module of that name, which this one would hide."""

CODE = ("command", "lean_json", "lean_typing", "manifest", "predict", "request_body")
"""The modules of a bundle's `runtimes` that the package's own files import."""

_SOONEST = "onnxruntime-c"
"""It needs neither numpy nor ONNX Runtime's Python; it gives the same answers."""


def strip(site: Path, runtime: str) -> None:
    """Delete of unpacked wheels what never runs in a runtime."""
    leave_out(site, left_out(runtime))


def runtime_of(bundle: Path) -> str:
    """Return the bundle's runtime that a package holds: the one that starts soonest."""
    known = read_manifest(bundle).runtimes
    return _SOONEST if _SOONEST in known else next(iter(known))


def missing_code(bundle: Path) -> list[str]:
    """List the modules that a package needs and a bundle, of an older edgepress, has not."""
    files = [f"runtimes/{name}.py" for name in CODE]
    return [name for name in files if not (bundle / name).is_file()]


def copy_bundle(bundle: Artifact, folder: Path) -> None:
    """Copy a bundle; its manifest names the runtime of the package alone, so that it is used."""
    bundle.copy(folder)
    runtime = runtime_of(bundle.path)
    content = read_content(folder)
    write_content(folder, {**content, "runtimes": {runtime: content["runtimes"][runtime]}})


def add_function(bundle: Artifact, folder: Path) -> None:
    """Add the bundle, what answers events with it, and the licence of both to a folder."""
    copy_bundle(bundle, folder / BUNDLE)
    add_licence(folder)
    shutil.copyfile(str(function.__file__), folder / ENTRY)
    shutil.copyfile(str(lambda_client.__file__), folder / CLIENT)
    shutil.copyfile(Path(__file__).with_name(BOOTSTRAP), folder / BOOTSTRAP)

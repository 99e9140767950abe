"""Export a torch classifier to a Core ML package with coremltools, zipped into one file."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from compress.graph.executorch_program import quiet_executorch, trace, traceable
from compress.models.feeds import ExampleFeeds
from runtimes.coreml_runtime import PACKAGE
from runtimes.errors import BackendError, first_line

_EXAMPLE = 8
_TIME = (1980, 1, 1, 0, 0, 0)
"""The first time that a zip file can name: equal models give equal bytes."""


def export_coreml(
    model: Any, examples: ExampleFeeds, names: tuple[str, ...], max_length: int, path: Path
) -> dict[str, float]:
    """Write a zipped .mlpackage in fp32, with int32 inputs `names` (1, tokens) and output logits.

    There are no metrics. Raises BackendError when the model cannot be traced or converted.
    """
    drawn = examples.draw(1, _EXAMPLE)
    program = trace(traceable(model), {name: drawn[name] for name in names}, max_length)
    with TemporaryDirectory(prefix="edgepress-coreml-") as folder:
        package = Path(folder) / PACKAGE
        _convert(program, package)
        _name_parts(package / "Manifest.json")
        _zip(package, path)
    return {}


def _convert(program: Any, package: Path) -> None:
    with quiet_executorch(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        import coremltools

        try:
            converted = coremltools.convert(
                program.run_decompositions({}),
                convert_to="mlprogram",
                outputs=[coremltools.TensorType(name="logits")],
                compute_precision=coremltools.precision.FLOAT32,
                minimum_deployment_target=coremltools.target.iOS16,
            )
            converted.user_defined_metadata.pop(
                "com.github.apple.coremltools.conversion_date", None
            )
            converted.save(str(package))
        except Exception as error:  # coremltools raises its own types and many of Python's
            raise BackendError(
                f"coremltools cannot convert the model ({first_line(error)})",
                action='leave the format "coreml" out: deploy the ONNX or ort file',
            ) from error


def _name_parts(manifest: Path) -> None:
    """Name the package's parts by their paths; coremltools draws their names at random."""
    content = json.loads(manifest.read_text(encoding="utf-8"))
    parts = content["itemInfoEntries"]
    names = {old: str(uuid5(NAMESPACE_URL, part["path"])).upper() for old, part in parts.items()}
    content["itemInfoEntries"] = {names[old]: part for old, part in parts.items()}
    content["rootModelIdentifier"] = names[content["rootModelIdentifier"]]
    manifest.write_text(json.dumps(content, indent=4, sort_keys=True), encoding="utf-8")


def _zip(package: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(package.rglob("*")):
            if file.is_file():
                name = file.relative_to(package.parent).as_posix()
                archive.writestr(zipfile.ZipInfo(name, _TIME), file.read_bytes())

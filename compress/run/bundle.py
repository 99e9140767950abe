"""The folder that is deployed: model, tokenizer, labels and the code that runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import runtimes
from runtimes import launcher
from runtimes.artifact import MANIFEST, MODEL_FILES, Artifact
from runtimes.errors import QualityError
from runtimes.files import new_folder

PREDICT = "predict.py"
_MODULES = ("__init__.py", "errors.py", "predict.py")
_TIMEOUT_S = 3600


def write_bundle(artifact: Artifact, target: Path) -> Path:
    """Write the artifact's deployable files and predict.py to `target`, whole or not at all."""
    with new_folder(target) as folder:
        for name in _deployed(artifact):
            shutil.copyfile(artifact.path / name, folder / name)
        _write_code(folder)
    return target


def check_bundle(
    folder: Path, runtime: str, texts: Sequence[str], logits: NDArray[np.float32]
) -> int:
    """Run predict.py as a user would on every text, and return how many rows it ran.

    Raises QualityError when one label is not the one that the pipeline found.
    """
    rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    source = folder.with_name(f".{folder.name}-rows.jsonl")
    source.write_text(rows, encoding="utf-8")
    try:
        command = [sys.executable, str(folder / PREDICT), "--rows", str(source), "--json"]
        command += ["--runtime", runtime]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    finally:
        source.unlink(missing_ok=True)
    if done.returncode != 0:
        raise QualityError(f"{folder / PREDICT} failed: {done.stderr.strip()[-500:]}")
    labels = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["labels"]
    found = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    wanted = [labels[index] for index in logits.argmax(axis=1)]
    different = sum(a != b for a, b in zip(found, wanted, strict=True))
    if different:
        raise QualityError(
            f"{folder / PREDICT} answers otherwise than the pipeline on {different} of"
            f" {len(texts)} rows"
        )
    return len(found)


def _write_code(folder: Path) -> None:
    """Write predict.py and the modules that it runs."""
    shutil.copyfile(Path(launcher.__file__), folder / PREDICT)
    package = folder / runtimes.__name__
    package.mkdir()
    for name in _MODULES:
        shutil.copyfile(Path(runtimes.__file__).with_name(name), package / name)


def _deployed(artifact: Artifact) -> list[str]:
    model = MODEL_FILES[artifact.format]
    names = [model, "model.bin", f"{model}.data", "tokenizer.json", MANIFEST]
    return [name for name in names if (artifact.path / name).is_file()]

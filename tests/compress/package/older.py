"""A bundle as an older edgepress would have written it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from runtimes.artifact import read_artifact
from runtimes.contents import list_files
from runtimes.manifest import read_content, write_content


def older(bundle: Path, folder: Path, *patterns: str) -> Path:
    """Copy a bundle without ONNX Runtime's C API and the files of the patterns; return the copy."""
    shutil.copytree(bundle, folder)
    for pattern in ("runtimes/onnx_c_*", *patterns):
        for file in folder.glob(pattern):
            file.unlink()
    content = read_content(folder)
    runtimes = {name: row for name, row in content["runtimes"].items() if name != "onnxruntime-c"}
    described = dataclasses.replace(read_artifact(folder), files=list_files(folder)).to_json()
    classes = {"runtimes": runtimes, "task_class": content["task_class"]}
    write_content(folder, {**described, **classes})
    return folder

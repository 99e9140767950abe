"""docs/first-lambda.md, followed line by line up to the upload."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.compress.tiny_models import make_data, make_trained_model

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "first-lambda.md").read_text(encoding="utf-8")


def test_every_command_up_to_the_upload_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    make_trained_model(tmp_path / "teacher")
    data = make_data()
    for name, part in {"train": data.train, "test": data.test}.items():
        rows = zip(part.inputs, part.targets, strict=True)
        lines = "".join(f"{text},{data.labels[target]}\n" for text, target in rows)
        (tmp_path / f"{name}.csv").write_text("text,label\n" + lines)
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines_of_page = [line for block in blocks for line in block.splitlines()]
    assert len(lines_of_page) == 7
    for line in lines_of_page:
        words = shlex.split(line)
        assert words[0] == "edgepress"
        done = subprocess.run(
            [sys.executable, "-c", "from compress.cli.main import main; main()", *words[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    _is_what_the_page_says(tmp_path)


def _is_what_the_page_says(folder: Path) -> None:
    table = PAGE.split("| file | is |")[1].split("\n\n")[0]
    named = {name.strip("/") for name in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)}
    assert named == {path.name for path in (folder / "package").iterdir()}
    with zipfile.ZipFile(folder / "layered" / "function.zip") as archive:
        assert {"handler.py", "bundle/artifact.json"} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if name.startswith("onnxruntime/")]
    with zipfile.ZipFile(folder / "layered" / "layer.zip") as archive:
        assert all(name.startswith("python/") for name in archive.namelist())

"""docs/first-board.md, followed line by line on an emulated board."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtimes.predict import open_predictor
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

pytestmark = [pytest.mark.alone, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "first-board.md"
TOOLS = ("qemu-system-aarch64", "mke2fs", "apt-get", "dpkg-deb", "ssh")


def blocks() -> list[str]:
    """Return the page's commands, in order."""
    found = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in found for line in block.replace("\\\n", " ").splitlines()]


def test_every_command_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        pytest.skip(f"{', '.join(missing)} not installed")
    programs = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("EDGEPRESS_RPI4_HOST", "edgepress-rpi4")  # the page's export
    tiny_onnx(tmp_path / "runs" / "first" / "bundle")
    tiny_onnx(tmp_path / "teacher")
    model = open_predictor(tmp_path / "teacher")
    labels = {text: LABELS[int(np.argmax(model.answer(text)))] for text in TEXTS}
    rows = "".join(f"{text},{labels[text]}\n" for text in TEXTS * 100)
    (tmp_path / "test.csv").write_text("text,label\n" + rows)
    lines = blocks()
    without = next(place for place, line in enumerate(lines) if "emulate" in line)
    emulated = lines[without:]
    assert len(emulated) == 5
    _do("edgepress device emulate rpi4 --system --memory-mb 512 --out desk", tmp_path)
    _let_ssh_read(tmp_path / "desk" / "ssh_config", programs)
    try:
        for line in lines[:without]:
            _do(_on_the_desk(line), tmp_path)
    finally:
        _do("edgepress device emulate rpi4 --stop --out desk", tmp_path)
    for line in emulated:
        _do(line, tmp_path)


def _on_the_desk(line: str) -> str:
    """Return a line for the emulated board that stands on the reader's desk."""
    return line.replace(" rpi4", " desk/rpi4-emulated-system.toml")


def _do(line: str, folder: Path) -> None:
    """Carry out a line as a reader does."""
    if line.startswith("export EDGEPRESS_RPI4_HOST="):
        return
    words = [os.path.expandvars(word) for word in shlex.split(line)]
    assert words[0] == "edgepress"
    done = subprocess.run(
        [sys.executable, "-c", "from compress.cli.main import main; main()", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    if words[1] == "validate":
        assert "on an emulated device" in done.stdout


def _let_ssh_read(config: Path, programs: Path) -> None:
    """Make an ssh that reads the emulated board's settings, as it does the reader's own."""
    programs.mkdir(exist_ok=True)
    real = shutil.which("ssh")
    (programs / "ssh").write_text(
        "#!/bin/sh\n"
        f'for word in "$@"; do [ "$word" = -F ] && exec {real} "$@"; done\n'
        f'exec {real} -F {config} "$@"\n'
    )
    (programs / "ssh").chmod(0o755)

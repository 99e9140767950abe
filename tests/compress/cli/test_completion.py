"""The shell completes commands, options, tiers and profiles, by its own mechanism and at once."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from compress.cli.main import COMMANDS
from profiles.device import shipped
from tests.compress.cli.test_help import _HEAVY

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
MAIN = "from compress.cli.main import main; main()"

_MODULES = """
import sys
from compress.cli.main import run
run([])
print(sorted(set(sys.argv[1].split()) & set(sys.modules)))
"""

_COMPLETE = """
{setup}
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
complete -p edgepress >&2
compopt() {{ printf '%s\\n' "$*"; }}  # a builtin of an interactive shell alone
_edgepress_completion edgepress
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def documented(shell: str) -> str:
    """Return the line of the page that sets a shell up."""
    line = re.search(rf"^.*_EDGEPRESS_COMPLETE={shell}_source.*$", PAGE, re.M)
    assert line is not None
    return line[0]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Put an `edgepress` of this checkout on the path."""
    command = tmp_path / "edgepress"
    command.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{MAIN}' \"$@\"\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["edgepress", ""], set(COMMANDS)),
        (["edgepress", "pro"], {"profile"}),
        (["edgepress", "profile", ""], {"list", "show", "probe", "check", "new"}),
        (["edgepress", "profile", "show", "embedded-def"], {"embedded-default"}),
        (["edgepress", "run", "r.toml", "--profile", "rpi"], {"rpi-zero2w", "rpi4", "rpi5"}),
        (["edgepress", "gate", "--profile", ""], set(shipped())),
        (["edgepress", "validate", "--tier", ""], {"quick", "ci", "release", "soak"}),
        (["edgepress", "gate", "--unl"], {"--unlabeled"}),
        (["edgepress", "run", "--out", ""], {"-o", "default"}),
        (["edgepress", "gate", "--reference", ""], {"-o", "dirnames"}),
    ],
)
def test_bash_completes(environment: dict[str, str], words: list[str], expected: set[str]) -> None:
    script = _COMPLETE.format(setup=documented("bash"), words=shlex.join(words))
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "-F _edgepress_completion edgepress" in done.stderr
    assert set(done.stdout.split("\n")) - {""} == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_s_script_is_there(environment: dict[str, str], shell: str) -> None:
    assert "edgepress" in documented(shell)
    done = subprocess.run(
        ["edgepress"],
        env={**environment, "_EDGEPRESS_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_EDGEPRESS_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(
    "words", ["edgepress ", "edgepress run --profile ", "edgepress distill --l", "edgepress gate "]
)
def test_completing_loads_what_help_loads(words: str) -> None:
    count = len(words.split(" ")) - 1
    done = subprocess.run(
        [sys.executable, "-c", _MODULES, " ".join(_HEAVY)],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_EDGEPRESS_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(count),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"

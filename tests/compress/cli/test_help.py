"""Every command explains itself at once, without loading what only its work needs."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import click
import pytest

from compress.cli.main import COMMANDS, edgepress, run
from compress.stage import STAGES

_HEAVY = {
    *("torch", "transformers", "onnx", "onnxruntime", "openvino", "nncf", "datasets"),
    *("tokenizers", "sklearn", "scipy", "numpy", "pydantic", "rich", "pyarrow"),
}

_SHOW_HELP = """
import contextlib, io, json, sys
from compress.cli.main import run
shown_by_command = {}
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        code = run([*arguments, "--help"])
    shown_by_command[" ".join(arguments)] = [code, shown.getvalue(),
        sorted(set(sys.argv[2].split()) & set(sys.modules))]
print(json.dumps(shown_by_command))
"""


def commands() -> list[list[str]]:
    """List the path of every command, nested ones too."""
    paths: list[list[str]] = [[]]
    context = click.Context(edgepress)
    for name in COMMANDS:
        command = edgepress.get_command(context, name)
        paths.append([name])
        if isinstance(command, click.Group):
            paths += [[name, inner] for inner in command.list_commands(context)]
    return paths


def settings(path: list[str]) -> set[str]:
    """Name the settings of a stage's command, which are documented with the recipe."""
    if not path or path[0] not in STAGES:
        return set()
    return {field.name for field in dataclasses.fields(STAGES.resolve(path[0]))}


def test_no_help_loads_what_only_the_work_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SHOW_HELP, json.dumps(commands()), " ".join(_HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    content = json.loads(done.stdout)
    assert len(content) > len(COMMANDS)
    for name, (code, shown, loaded) in content.items():
        assert (code, loaded) == (0, []), name
        assert f"Usage: edgepress {name}".strip() in shown
    assert all(line in content[""][1] for line in COMMANDS)


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_option_and_argument_is_explained(path: list[str]) -> None:
    context = click.Context(edgepress)
    command: click.Command = edgepress
    for name in path:
        assert isinstance(command, click.Group)
        inner = command.get_command(context, name)
        assert inner is not None
        command = inner
    assert command.help
    assert command.help.strip().splitlines()[0].endswith(".")
    for option in command.params:
        if isinstance(option, click.Option):
            known = option.help or option.show_default or option.name in settings(path)
            assert known, (path, option.name)
    leaf = not isinstance(command, click.Group)
    names = {name for option in command.params for name in option.opts}
    assert not leaf or "-v" in names


def test_the_table_of_commands_is_the_modules_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-h"]) == 0
    assert "130 interrupted" in " ".join(capsys.readouterr().out.split())


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        known = version("edgepress")
    except PackageNotFoundError:
        pytest.skip("edgepress is not installed here")
    assert run(["--version"]) == 0
    assert known in capsys.readouterr().out

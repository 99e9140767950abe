"""Every command explains itself quickly, without loading heavy packages."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from compress.cli.command import Command, Group
from compress.cli.main import COMMANDS, edgepress, run
from compress.stage import STAGES

ROOT = Path(__file__).parents[3]

_HEAVY = {
    *("torch", "transformers", "onnx", "onnxruntime", "openvino", "nncf", "datasets"),
    *("tokenizers", "sklearn", "scipy", "numpy", "pydantic", "rich", "pyarrow"),
}

_LOOK = """
import contextlib, io, json, sys
from compress.cli.main import run
found = {}
for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        code = run([*arguments, "--help"])
    found[" ".join(arguments)] = [code, shown.getvalue(),
                                  sorted(set(sys.argv[2].split()) & set(sys.modules))]
print(json.dumps(found))
"""

SHARED = ["--json", "-q", "-v"]
"""The last options of a command, in this order."""

METAVARS = {
    *("FOLDER", "FILE", "COLUMN", "NAME", "N", "SHARE", "NUMBER", "TIME", "DAYS", "SECONDS"),
    *("METRIC=LIMIT", "KEY=VALUE", "MB", "MS", "PRICE", "VERSION"),
}


def commands() -> list[list[str]]:
    """List the path of every command, nested ones too."""
    paths: list[list[str]] = [[]]
    for name in COMMANDS:
        paths.append([name])
        command = context_of([name]).command
        if isinstance(command, click.Group):
            paths += [[name, inner] for inner in command.commands]
    return paths


def context_of(path: list[str]) -> click.Context:
    """Return the context of a command as its help is printed in."""
    context = edgepress.make_context("edgepress", [], resilient_parsing=True)
    for name in path:
        assert isinstance(context.command, click.Group)
        command = context.command.get_command(context, name)
        assert command is not None
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
    return context


def options(path: list[str]) -> list[click.Option]:
    """List the options of a command in the order of its help."""
    return [param for param in context_of(path).command.params if isinstance(param, click.Option)]


def parse(line: str) -> None:
    """Parse a command line as the shell and edgepress do, up to the work itself."""
    words = shlex.split(line.replace("\\\n", " "), comments=True)
    for sign in ("|", ">", "&&"):
        if sign in words:
            at = words.index(sign)
            words = words[at + 1 :] if sign == "|" else words[:at]
    assert words.pop(0) == "edgepress", line
    command: click.Command = edgepress
    parent: click.Context | None = None
    with contextlib.suppress(click.exceptions.Exit):  # --help and --version end there
        while isinstance(command, click.Group):
            parent = command.make_context(command.name, words, parent=parent)
            _, inner, words = command.resolve_command(
                parent, [*parent._protected_args, *parent.args]
            )
            assert inner is not None
            command = inner
        command.make_context(command.name, words, parent=parent)


def documented() -> Iterator[tuple[str, str]]:
    """Yield each command line of the documents' console blocks, with its place."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(r"```(?:console|sh|bash)\n(.*?)```", page.read_text(), re.S):
            for line in re.findall(r"^(?:\$ )?(edgepress .*(?:(?<=\\)\n.*)*)$", block, re.M):
                yield page.name, line


def test_no_help_loads_what_only_the_work_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, json.dumps(commands()), " ".join(_HEAVY)],
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
def test_every_command_and_option_is_explained(path: list[str]) -> None:
    command = context_of(path).command
    assert command.help
    assert command.help.strip().splitlines()[0].endswith(".")
    for option in options(path):
        record = option.get_help_record(context_of(path))
        assert record is not None
        assert re.match(r"[A-Z0-9].*\.(  \[.*\])?$", record[1]), (option.name, record[1])
    leaf = not isinstance(command, click.Group)
    assert not leaf or "-v" in {name for option in options(path) for name in option.opts}


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_default_is_shown(path: list[str]) -> None:
    for option in options(path):
        record = option.get_help_record(context_of(path))
        assert record is not None
        given = option.default
        silent = isinstance(given, bool) and not option.secondary_opts
        has_one = isinstance(given, bool | str | int | float | Path | tuple)
        if has_one and given not in ("", ()) and not silent:
            assert "[default: " in record[1], option.name


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_a_command_s_own_options_stand_before_the_shared_ones(path: list[str]) -> None:
    names = [
        next((name for name in option.opts if name in SHARED), "own") for option in options(path)
    ]
    shared = [name for name in SHARED if name in names]
    assert names[len(names) - len(shared) :] == shared


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_metavars_are_few_and_one_name_has_one(path: list[str]) -> None:
    context = context_of(path)
    for option in options(path):
        if option.is_flag or isinstance(option.type, click.Choice):
            continue
        assert option.make_metavar(context) in METAVARS, option.name


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_help_fits_80_columns_and_ends_with_its_examples(
    path: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*path, "--help"]) == 0
    said = capsys.readouterr().out
    command = context_of(path).command
    assert isinstance(command, Command | Group)
    assert max(map(len, said.splitlines())) <= 80
    assert not isinstance(command, Group) or "..." not in said.split("Commands:")[1]
    shown = "\n".join(command.examples)
    assert said.endswith("Examples:\n" + re.sub("^", "  ", shown, flags=re.M) + "\n")


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_examples_are_commands_that_edgepress_takes(path: list[str]) -> None:
    command = context_of(path).command
    assert isinstance(command, Command | Group)
    assert command.examples
    own = " ".join(["edgepress", *path])
    assert any(own in example for example in command.examples)
    for example in command.examples:
        parse(example)


@pytest.mark.parametrize(("page", "line"), list(documented()))
def test_the_documents_show_commands_that_edgepress_takes(page: str, line: str) -> None:
    parse(line)


@pytest.mark.parametrize(
    "line", ["edgepress gate m --data t.csv --referense o", "edgepress gate m", "edgepress rnu"]
)
def test_a_wrong_example_would_be_noticed(line: str) -> None:
    with pytest.raises(click.ClickException):
        parse(line)


@pytest.mark.parametrize("kind", [kind for kind in STAGES if kind in COMMANDS])
def test_a_stage_s_options_have_the_defaults_of_its_settings(kind: str) -> None:
    settings = {field.name: field.default for field in dataclasses.fields(STAGES.resolve(kind))}
    for option in options([kind]):
        name = "format" if option.name == "form" else option.name
        if name in settings and not isinstance(option.show_default, str):
            given = option.to_info_dict()["default"]
            assert given == settings[name], name


def test_one_spelling() -> None:
    names = {name for path in commands() for option in options(path) for name in option.opts}
    assert "--unlabeled" in names
    assert "--unlabelled" not in names


def test_the_exit_codes_are_named(capsys: pytest.CaptureFixture[str]) -> None:
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

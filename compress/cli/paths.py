"""The types of the paths that commands read and write; the border checks them before any work."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Input(click.Path):
    """A path that a command reads. With `holds`, results may lie inside the folder."""

    def __init__(self, name: str, *, holds: bool = False, **rules: bool) -> None:
        super().__init__(path_type=Path, **rules)
        self.name = name
        self.holds = holds


class Output(click.Path):
    """A path that a command writes.

    A file is replaced only where its beginning matches `mark`, as edgepress writes it, or by
    --force. A folder that is not `kept` is replaced as a whole.
    """

    def __init__(self, name: str, *, mark: str = "", kept: bool = False, **rules: bool) -> None:
        super().__init__(path_type=Path, **rules)
        self.name = name
        self.mark = re.compile(mark.encode(), re.DOTALL) if mark else None
        self.kept = kept

    def files(self, context: click.Context, path: Path) -> list[Path]:
        """Return what is written where `path` is named."""
        return [path]


class Samples(Output):
    """A file of samples; with several profiles, each device has a file of its own beside it."""

    def files(self, context: click.Context, path: Path) -> list[Path]:
        """Return the file, and those of the devices, which go by their profiles' names."""
        names = context.params.get("profiles") or ()
        if len(names) < 2:
            return [path]
        from contextlib import suppress

        from compress.report.gate_report import device_file
        from profiles.device import load_profile
        from runtimes.errors import EdgepressError

        files = [path]
        for name in names:
            with suppress(EdgepressError):  # the command refuses the profile itself
                files.append(device_file(path, load_profile(name).name))
        return list(dict.fromkeys(files))


class Text(click.ParamType[str]):
    """An input's name, which may be a path; a shell completes it as a `file` or a `dir`."""

    def __init__(self, name: str, completes: str) -> None:
        self.name = name
        self._completes = completes

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Let the shell complete a path."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type=self._completes)]


class ProfileName(click.ParamType[str]):
    """The name of a shipped profile, or the path of a profile's TOML file."""

    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """List the shipped profiles without reading them; a path is the shell's to complete."""
        from importlib.resources import files

        from click.shell_completion import CompletionItem

        shipped = [Path(entry.name) for entry in files("profiles").joinpath("devices").iterdir()]
        names = sorted(path.stem for path in shipped if path.suffix == ".toml")
        items = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return items or [CompletionItem(incomplete, type="file")]


FOLDER = Input("folder", file_okay=False)
SOURCE = Input("path")
"""A model of another tool: a file or a folder."""
RESULTS = Input("folder", holds=True)
"""A folder that results may lie inside: a run, a history, the rows of a recipe."""
FILE = Input("file", dir_okay=False)
PATH = Input("path")
ROWS = Text("file", "file")
"""Rows: a csv, jsonl or parquet file, or the id of a data set."""
LABELS = Text("file", "file")
"""Labels: a file, or their names with commas between them."""
MODEL = Text("folder", "dir")
"""A model: a folder, a Hub id, or python:PACKAGE/FOLDER."""
PROFILE = ProfileName()

NEW_FOLDER = Output("folder")
KEPT_FOLDER = Output("folder", kept=True)
"""A folder that the command adds files to, such as a run's or a history."""

_PAGE = "<!doctype html>\n.{0,500}<title>[^<]* · edgepress</title>"


def new_file(mark: str = "") -> Output:
    """Return the type of a file that a command writes; its beginning matches `mark`."""
    return Output("file", mark=mark, dir_okay=False)


SAMPLES = Samples("file", mark=r'\{"kind": "session", ', dir_okay=False)
JUNIT = new_file(r'<\?xml [^>]*>\n<testsuites [^>]*>\s*<testsuite name="edgepress\.')
MARKDOWN = new_file(r"### \S+ edgepress gate: ")
COMMENT = new_file("<!-- edgepress: ")
BASELINE = new_file(r'\{\s*"edgepress_baseline": ')
REPORT = new_file(rf"{_PAGE}|### edgepress: |\s*stage +params +MB ")
PAGE = new_file(_PAGE)
VERDICT = new_file(r'\{\s*"_type": "https://in-toto\.io/')
CARD = new_file(r"---\n.{0,500}- edgepress\n")
BILL = new_file()
RECIPE = new_file()
"""A recipe is a person's: none is replaced without --force."""

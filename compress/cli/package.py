"""edgepress package: make a bundle what a serverless platform takes, and verify it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from compress.cli.command import Group
from compress.cli.options import (
    json_output,
    output_options,
    print_json,
    terminal,
    text_option,
    verbosity,
)
from compress.cli.paths import FOLDER, NEW_FOLDER, PATH, ROWS
from compress.package.targets import TARGETS

if TYPE_CHECKING:
    from compress.package.build import Package

_BUILD = "build"
_HELP = ("-h", "--help")


class _BuildByDefault(Group):
    """A group whose first word, where it names no command, is a bundle to build a package of."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `build` before a bundle or an option."""
        if args and args[0] not in (*self.commands, *_HELP):
            args = [_BUILD, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_BuildByDefault,
    examples=[
        "edgepress package runs/first/bundle --target lambda-x86 --out package",
        "edgepress package verify package",
    ],
)
def package() -> None:
    """Make a bundle what a serverless platform takes.

    `edgepress package BUNDLE` is short for `edgepress package build BUNDLE`.
    """


@package.command(
    _BUILD,
    examples=[
        "edgepress package build runs/first/bundle --target lambda-x86 --out package",
        "edgepress package build bundle --target zip --out package --data test.csv",
    ],
)
@click.argument("bundle", type=FOLDER)
@click.option(
    "--target",
    "target_name",
    required=True,
    type=click.Choice(list(TARGETS)),
    help="What it is for; zip: this machine's architecture and Python.",
)
@click.option("--out", required=True, type=NEW_FOLDER, help="The folder to make.")
@click.option(
    "--python",
    type=click.Choice(["3.11", "3.12", "3.13", "3.14"]),
    help="The target's Python.",
    show_default="the target's newest tried; zip: this one",
)
@click.option(
    "--memory-mb",
    default=1_769,
    type=click.IntRange(128, 10_240),
    metavar="MB",
    help="The memory that template.yaml asks for; Lambda grants a CPU at 1769.",
)
@click.option(
    "--layer", is_flag=True, help="Lambda: the packages as a layer, apart from the model."
)
@click.option("--name", default="edgepress-model", metavar="NAME", help="The wheel's name.")
@click.option(
    "--package-version", default="1.0.0", metavar="VERSION", help="The wheel's own version."
)
@click.option("--data", type=ROWS, help="Check the package with these rows.")
@text_option
@click.option(
    "--interpreter",
    type=PATH,
    metavar="FILE",
    help="The target's Python to check the package with: a program, or a pack's folder.",
)
@output_options
def build(
    bundle: Path,
    target_name: str,
    out: Path,
    python: str | None,
    memory_mb: int,
    layer: bool,
    name: str,
    package_version: str,
    data: str | None,
    text: str,
    text_pair: str,
    interpreter: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write BUNDLE's package: a zip, its folder and a manifest.

    For Lambda a template is beside them; Cloud Run takes a folder with a Dockerfile, and pip one
    wheel. Any other package holds the target's own wheels, without what never runs. It is asked in
    a process that has nothing else, and its answers are compared with the bundle's. Nothing is
    written, and the exit code is 2, where it is larger than the target takes.
    """
    from compress.data.dataset import DataSettings, load_inputs
    from compress.package.build import Order, build_package
    from compress.package.layout import Wishes
    from compress.package.targets import target_of
    from compress.tasks import task_of
    from runtimes.artifact import read_artifact

    rows = ()
    if data:
        settings = DataSettings(train=(), test=(data,), text=text, text_pair=text_pair)
        rows = load_inputs(settings, Path(), task_of(read_artifact(bundle).task)).inputs
    wishes = Wishes(memory_mb, layer, name, package_version)
    order = Order(bundle, target_of(target_name), python, rows, interpreter, wishes)
    made = build_package(order, out, terminal(quiet))
    if as_json:
        print_json({"folder": str(made.folder), **_without_files(made)})
    else:
        _say(made)


@package.command("verify", examples=["edgepress package verify package"])
@click.argument("folder", type=FOLDER)
@json_output
@verbosity
def verify(folder: Path, as_json: bool) -> None:
    """Check that the package in FOLDER is as it was written.

    A file that is missing, was added or changed is an error.
    """
    from compress.package.contents import verify_package

    content = verify_package(folder)
    if as_json:
        print_json({"folder": str(folder), "digest": content["manifest_digest"]})
    else:
        click.echo(f"{folder}: its {len(content['files'])} files and its manifest are unchanged")
        click.echo(f"digest   {content['manifest_digest']}")


def _without_files(made: Package) -> dict[str, object]:
    return {key: value for key, value in made.content.items() if key != "files"}


def _say(made: Package) -> None:
    content = made.content
    for key in [key for key in content if key.endswith("_limit_bytes")]:
        name, limit = key.removesuffix("_limit_bytes"), content[key]
        beside = f" of {limit / 1e6:.1f} that {content['target']} takes" if limit else ""
        shown = name.replace("_", " ")
        click.echo(f"{shown:<10}{content[f'{name}_bytes'] / 1e6:.1f} MB{beside}")
    click.echo(f"{'checked':<10}{made.checked.line()}")
    click.echo(f"{'written':<10}{made.folder}")

"""edgepress verify: check that a model is the one that was written."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.command import Command
from compress.cli.options import json_output, print_json, verbosity
from compress.cli.paths import FOLDER


@click.command(
    cls=Command,
    examples=["edgepress verify deploy", "edgepress verify runs/first/bundle --json"],
)
@click.argument("artifact", type=FOLDER)
@json_output
@verbosity
def verify(artifact: Path, as_json: bool) -> None:
    """Check every file of ARTIFACT or of a bundle, and its manifest, byte by byte.

    Without a signature this finds damage, and changes by someone who does not know edgepress.
    """
    from runtimes.artifact import open_artifact
    from runtimes.contents import unlisted

    found = open_artifact(artifact)
    stray = unlisted(artifact, found.files)
    if as_json:
        print_json({"path": str(artifact), "digest": found.digest, "unlisted": stray})
        return
    click.echo(
        f"{artifact}: its {len(found.files)} files and its manifest are as they were written"
    )
    click.echo(f"digest {found.digest}")
    for name in stray:
        click.echo(f"not listed, and not used: {name}")

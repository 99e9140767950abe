"""edgepress verify: check that a model is the one that was written, signed and judged."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.command import Command
from compress.cli.options import json_output, print_json, verbosity
from compress.cli.paths import FILE, FOLDER


@click.command(
    cls=Command,
    examples=[
        "edgepress verify deploy",
        "edgepress verify deploy --key key.pub --verdict verdict.json",
    ],
)
@click.argument("artifact", type=FOLDER)
@click.option("--key", type=FILE, help="Ask for signatures of this public key's owner.")
@click.option("--verdict", type=FILE, help="Check that `edgepress gate --verdict` passed it.")
@json_output
@verbosity
def verify(artifact: Path, key: Path | None, verdict: Path | None, as_json: bool) -> int:
    """Check every file of ARTIFACT or of a bundle, and its manifest, byte by byte.

    Without --key this finds damage, and changes by someone who does not know edgepress. With --key
    the model, and the verdict if one is given, must be signed. The exit code is 1 for a verdict
    other than PASS.
    """
    from runtimes.artifact import open_artifact
    from runtimes.contents import unlisted

    found = open_artifact(artifact)
    if key is not None:
        from compress.release.signature import check_signature

        for path in filter(None, (artifact, verdict)):
            check_signature(path, key)
    status = _status(verdict, artifact) if verdict else None
    stray = [name for name in unlisted(artifact, found.files) if name != "model.sig"]
    if as_json:
        signed = {"signed": key is not None, "verdict": status, "unlisted": stray}
        print_json({"path": str(artifact), "digest": found.digest, **signed})
    else:
        click.echo(f"{artifact}: its {len(found.files)} files and its manifest are unchanged")
        click.echo(f"digest   {found.digest}")
        if key is not None:
            click.echo(f"signed   by the owner of {key}")
        if status is not None:
            click.echo(f"verdict  {status}")
        for name in stray:
            click.echo(f"not listed, and not used: {name}")
    return 0 if status in (None, "PASS") else 1


def _status(verdict: Path, artifact: Path) -> str:
    from compress.release.statement import read_statement
    from runtimes.artifact import open_artifact

    return str(read_statement(verdict, open_artifact(artifact))["edgepress"]["status"])

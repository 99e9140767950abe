"""edgepress sign: sign a model or a verdict with a key of your own."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.command import Command
from compress.cli.options import json_output, print_json, verbosity
from compress.cli.paths import FILE, PATH


@click.command(
    cls=Command,
    examples=["edgepress sign deploy --key key.pem", "edgepress verify deploy --key key.pub"],
)
@click.argument("path", type=PATH)
@click.option("--key", type=FILE, required=True, help="The private key, a PEM file.")
@json_output
@verbosity
def sign(path: Path, key: Path, as_json: bool) -> None:
    """Sign the artifact or the bundle in the folder PATH, or a verdict's file.

    The signature is written into the folder as model.sig, or beside the file with .sig. Make a key:
    openssl ecparam -name prime256v1 -genkey -noout -out key.pem, and its public half:
    openssl ec -in key.pem -pubout -out key.pub
    """
    from compress.release.signature import sign as write

    signature = write(path, key)
    if as_json:
        print_json({"path": str(path), "signature": str(signature)})
    else:
        click.echo(f"{signature}")

"""edgepress comment: one comment on a pull request, made or updated."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.command import Command
from compress.cli.options import json_output, print_json, verbosity
from compress.cli.paths import FILE


@click.command(
    cls=Command,
    examples=[
        "edgepress gate models/new --data test.csv --reference models/old \\\n"
        "    --comment gate.md",
        "edgepress comment gate.md",
    ],
)
@click.argument("file", type=FILE)
@click.option(
    "--name",
    metavar="NAME",
    help="One comment of this name a pull request.",
    show_default="the file's own, or gate",
)
@json_output
@verbosity
def comment(file: Path, name: str | None, as_json: bool) -> None:
    """Write FILE as a comment on the pull request that this CI job runs for.

    The comment of an earlier job is updated: there is one for each --name. GitHub Actions and
    GitLab CI say where it belongs; the token is GITHUB_TOKEN or GITLAB_TOKEN. A job of no pull
    request, or of a fork's, writes nothing and says so.
    """
    import os

    from compress.comment.place import place_of
    from compress.comment.post import Posted, marked, post

    text = marked(file.read_text(encoding="utf-8"), name or "")
    place = place_of(os.environ)
    none = Posted("none", why="this job runs for no pull or merge request")
    posted = none if place is None else post(place, text)
    if as_json:
        print_json({"comment": posted.done, "url": posted.url, "why": posted.why})
    elif posted.done == "none":
        click.echo(f"no comment: {posted.why}", err=True)
    else:
        click.echo(" ".join(filter(None, (f"comment {posted.done}", posted.url))))

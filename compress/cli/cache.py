"""edgepress cache: show and delete the cached results of stages."""

from __future__ import annotations

import click

from compress.cli.command import Group
from compress.cli.options import FiniteRange, json_output, print_json, verbosity


@click.group(cls=Group, examples=["edgepress cache ls", "edgepress cache prune --older-than 7"])
def cache() -> None:
    """Show and delete the cached results of stages."""


@cache.command("ls", examples=["edgepress cache ls", "edgepress cache ls --json"])
@json_output
@verbosity
def list_entries(as_json: bool) -> None:
    """List what the cache holds, the largest first.

    It holds the artifacts of finished stages, checkpoints of unfinished training, and the logits
    of teachers.
    """
    from compress.run.cache import default_cache

    kept = default_cache()
    entries = kept.entries()
    if as_json:
        rows = [
            {"name": e.name, "kind": e.kind, "size_mb": e.size_mb, "age_days": e.age_days}
            for e in entries
        ]
        print_json({"entries": rows, "total_mb": sum(entry.size_mb for entry in entries)})
        return
    for entry in entries:
        click.echo(
            f"{entry.name:<14}{entry.kind:<22}{entry.size_mb:>10.1f} MB{entry.age_days:>8.1f} days"
        )
    click.echo(f"{sum(entry.size_mb for entry in entries):.1f} MB in {len(entries)} entries")


@cache.command(
    examples=["edgepress cache prune --older-than 7", "edgepress cache prune --older-than 0"]
)
@click.option(
    "--older-than",
    default=30.0,
    metavar="DAYS",
    type=FiniteRange(0, 36_500),
    help="Delete what was not used for this many days; 0 deletes everything.",
)
@json_output
@verbosity
def prune(older_than: float, as_json: bool) -> None:
    """Delete what was not used lately. Finished runs keep their own copies."""
    from compress.run.cache import default_cache

    gone = default_cache().prune(older_than)
    freed = sum(entry.size_mb for entry in gone)
    if as_json:
        print_json({"removed": len(gone), "freed_mb": freed})
    else:
        click.echo(f"removed {len(gone)} entries, {freed:.1f} MB")

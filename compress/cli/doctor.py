"""edgepress doctor: which runtimes and features work here, and why not."""

from __future__ import annotations

import click

from compress.cli.options import json_output, print_json, verbosity


@click.command()
@json_output
@verbosity
def doctor(as_json: bool) -> None:
    """Say which runtimes and features work here, and why the others do not."""
    import dataclasses

    from compress.doctor import examine
    from profiles.probe import probe

    found, facts = examine(), probe()
    if as_json:
        print_json(
            {"findings": [dataclasses.asdict(row) for row in found], "machine": facts.to_json()}
        )
        return
    for row in found:
        mark = "✓" if row.ok else "✗"
        click.echo(f"{mark} {row.part:<9}{row.name:<22}{row.version:<14}{row.why}".rstrip())
    dot = "yes" if facts.int8_dot else "no: INT8 weights keep 7 bits (reduce_range) on this CPU"
    click.echo(f"\nmachine   {facts.cpu_model} ({facts.arch}, {facts.cpus:g} CPUs)")
    click.echo(f"8-bit dot product   {dot}")

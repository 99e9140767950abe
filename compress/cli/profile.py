"""edgepress profile: list, show, probe and check device profiles."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.options import json_output, print_json, verbosity


@click.group()
def profile() -> None:
    """List, show, probe and check device profiles."""


@profile.command("list")
@json_output
@verbosity
def list_profiles(as_json: bool) -> None:
    """List the shipped profiles."""
    from profiles.device import load_profile, shipped

    found = [load_profile(name) for name in shipped()]
    if as_json:
        print_json([{"name": row.name, "description": row.description} for row in found])
        return
    for row in found:
        click.echo(f"{row.name:<26}{row.description}")


@profile.command()
@click.argument("name")
@json_output
@verbosity
def show(name: str, as_json: bool) -> None:
    """Show the profile NAME: a shipped one, or a TOML file."""
    from profiles.device import DEVICES, load_profile

    found = load_profile(name)
    if as_json:
        print_json(found.model_dump(mode="json", by_alias=True))
        return
    file = Path(name) if name.endswith(".toml") else DEVICES / f"{name}.toml"
    click.echo(file.read_text(encoding="utf-8").rstrip())


@profile.command()
@json_output
@verbosity
def probe(as_json: bool) -> None:
    """Show this machine's facts, as profiles are matched with them."""
    from profiles.job import Job

    facts = Job().facts().to_json()
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        click.echo(f"{name:<20}{shown}")


@profile.command()
@click.argument("name")
@json_output
@verbosity
def check(name: str, as_json: bool) -> int:
    """Say whether this machine is the device of profile NAME; exit 4 when it is not."""
    from profiles.device import load_profile
    from profiles.job import Job
    from profiles.probe import matches

    known = load_profile(name)
    fits, why = matches(known, Job.nearest((known,)).facts())
    if as_json:
        print_json({"profile": name, "matches": fits, "why": why})
    else:
        click.echo(f"{'yes' if fits else 'no'}: {why}")
    return 0 if fits else 4

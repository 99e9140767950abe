"""edgepress profile: list, show, probe and check device profiles."""

from __future__ import annotations

from pathlib import Path

import click

from compress.cli.border import force_option
from compress.cli.command import Group
from compress.cli.options import json_output, print_json, verbosity
from compress.cli.paths import PROFILE, RECIPE


@click.group(
    cls=Group, examples=["edgepress profile list", "edgepress profile show rpi5 > my-board.toml"]
)
def profile() -> None:
    """List, show, probe and check device profiles."""


@profile.command("list", examples=["edgepress profile list"])
@json_output
@verbosity
def list_profiles(as_json: bool) -> None:
    """List the shipped profiles."""
    from profiles.device import load_profile, shipped

    profiles = [load_profile(name) for name in shipped()]
    if as_json:
        print_json([{"name": row.name, "description": row.description} for row in profiles])
        return
    for row in profiles:
        click.echo(f"{row.name:<26}{row.description}")


@profile.command(
    examples=["edgepress profile show rpi5", "edgepress profile show rpi5 > my-board.toml"]
)
@click.argument("name", type=PROFILE)
@json_output
@verbosity
def show(name: str, as_json: bool) -> None:
    """Print a profile.

    NAME is the name of a shipped profile, or the path of a TOML file.
    """
    from profiles.device import DEVICES, load_profile

    loaded = load_profile(name)
    if as_json:
        print_json(loaded.model_dump(mode="json", by_alias=True))
        return
    file = Path(name) if name.endswith(".toml") else DEVICES / f"{name}.toml"
    click.echo(file.read_text(encoding="utf-8").rstrip())


@profile.command(examples=["edgepress profile probe", "edgepress profile probe --json"])
@json_output
@verbosity
def probe(as_json: bool) -> None:
    """Print the facts of this machine by which profiles match it."""
    from profiles.job import Job

    facts = Job().facts().to_json()
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        click.echo(f"{name:<20}{shown}")


@profile.command(
    examples=[
        "edgepress profile new desk --from-probe",
        "edgepress profile new my-pi --from-probe --transport ssh --host pi@10.0.0.7",
    ]
)
@click.argument("name")
@click.option(
    "--from-probe",
    is_flag=True,
    required=True,
    expose_value=False,
    help="Look at the device first.",
)
@click.option("--transport", default="local", metavar="NAME", help="How the device is reached.")
@click.option("--host", metavar="NAME", help="Its host; `${VARIABLE}` is read when it is reached.")
@click.option("--out", type=RECIPE, help="Write the profile here.", show_default="printed")
@force_option()
@json_output
@verbosity
def new(name: str, transport: str, host: str | None, out: Path | None, as_json: bool) -> None:
    """Write a profile of a device from what it shows.

    Its budgets are suggestions to begin with.
    """
    from compress.device.bare import look
    from compress.device.new_profile import COMMENT, named, new_profile
    from compress.device.profile_text import profile_text
    from profiles.device import TransportSettings
    from profiles.transport import reach
    from profiles.transport.remote import Remote
    from runtimes.files import write_text

    settings = TransportSettings(kind=transport, host=host)
    reached = reach(named(name, settings))
    facts = look(reached).facts if isinstance(reached, Remote) else reached.facts()
    made = new_profile(name, facts, settings)
    text = profile_text(made, comment=COMMENT)
    if out is not None:
        write_text(out, text)
    if as_json:
        print_json(made.model_dump(mode="json", by_alias=True))
    elif out is None:
        click.echo(text.rstrip())


@profile.command(examples=["edgepress profile check rpi5", "edgepress profile check my-board.toml"])
@click.argument("name", type=PROFILE)
@json_output
@verbosity
def check(name: str, as_json: bool) -> int:
    """Say whether this machine is a profile's device.

    NAME is the name of a shipped profile, or the path of a TOML file. The exit code is 4 if this
    machine is another device.
    """
    from compress.report.terminal import show, signed
    from profiles.device import load_profile
    from profiles.gate import Status
    from profiles.job import Job
    from profiles.probe import matches

    known = load_profile(name)
    device = Job.nearest((known,))
    fits, why = matches(known, device.facts())
    if elsewhere := device.why_elsewhere(known):
        fits, why = False, elsewhere
    status = Status.PASS if fits else Status.WRONG_DEVICE
    if as_json:
        print_json({"profile": name, "matches": fits, "why": why})
    else:
        show(signed(status, f"{'yes' if fits else 'no'}: {why}"))
    return status.exit_code

"""edgepress device: reach a board, make it ready, run on it, leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.command import Group
from compress.cli.options import json_output, output_options, print_json, terminal, verbosity
from compress.cli.paths import FOLDER, NEW_FOLDER, PROFILE

if TYPE_CHECKING:
    from compress.device.setup import SetUp

dry_run = click.option("--dry-run", is_flag=True, help="Say what it takes, and do nothing.")


@click.group(
    cls=Group,
    examples=[
        "edgepress device list",
        "edgepress device probe rpi5",
        "edgepress device setup rpi5",
    ],
)
def device() -> None:
    """Reach a board, make it ready, run on it, leave nothing behind."""


@device.command("list", examples=["edgepress device list", "edgepress device list --json"])
@json_output
@verbosity
def list_devices(as_json: bool) -> None:
    """List the profiles, and how each device is reached or why not."""
    from profiles.device import load_profile, shipped
    from profiles.job import Job
    from profiles.probe import matches
    from profiles.transport import why_unreachable

    here = Job().facts()
    rows = []
    for name in shipped():
        profile = load_profile(name)
        why = why_unreachable(profile)
        if profile.transport.kind == "local" and not matches(profile, here)[0]:
            why = "edgepress runs on the device itself, and this machine is another"
        rows.append({"name": name, "transport": profile.transport.kind, "why_not": why})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        said = row["why_not"] or _within_reach(row["transport"], row["name"])
        click.echo(f"{row['name']:<26}{row['transport']:<10}{said}")


@device.command(
    examples=["edgepress device probe rpi5", "edgepress device probe my-board.toml --json"]
)
@click.argument("profile", type=PROFILE)
@json_output
@verbosity
def probe(profile: str, as_json: bool) -> int:
    """Print what a device is, and whether it is the profile's.

    The device needs no Python for it. The exit code is 4 if it is another device or out of
    reach.
    """
    from compress.device.bare import look
    from profiles.device import load_profile
    from profiles.gate import Status
    from profiles.probe import matches
    from profiles.transport import reach
    from profiles.transport.remote import Remote
    from runtimes.facts import Facts

    known = load_profile(profile)
    reached = reach(known)
    shown: dict[str, Any] = (
        look(reached).to_json() if isinstance(reached, Remote) else reached.facts().to_json()
    )
    fits, why = matches(known, Facts.from_json(shown))
    if as_json:
        print_json({**shown, "matches": fits, "why": why})
    else:
        for name, value in shown.items():
            click.echo(f"{name:<20}{_plain(value)}")
        click.echo(f"{'matches':<20}{'yes' if fits else 'no'}: {why}")
    return (Status.PASS if fits else Status.WRONG_DEVICE).exit_code


@device.command(examples=["edgepress device setup rpi5", "edgepress device setup rpi5 --dry-run"])
@click.argument("profile", type=PROFILE)
@dry_run
@output_options
def setup(profile: str, dry_run: bool, as_json: bool, quiet: bool) -> None:
    """Put a runtime beside a device's own Python.

    It must be 3.9 or newer. The wheels are downloaded on this machine: the device needs no
    network and no root.
    """
    from compress.device.setup import check_arch, plan_set_up, remote, set_up
    from profiles.device import load_profile

    known, progress = load_profile(profile), terminal(quiet)
    reached = remote(known)
    check_arch(reached, known.hardware.arch)
    plan = plan_set_up(reached, known, progress)
    said = [f"{wheel.name} {wheel.version}" for wheel in plan.wheels]
    python = f"Python {plan.interpreter.version} ({plan.interpreter.path})"
    progress.note(f"{python}: {', '.join(said)}; {plan.download_mb:.0f} MB to download")
    if dry_run:
        if as_json:
            print_json({"python": python, "wheels": said, "download_mb": plan.download_mb})
        return
    with reached.lock():
        done = set_up(reached, plan, known, progress)
    _say(profile, done, as_json=as_json)


@device.command(
    examples=[
        "edgepress device pack rpi4",
        "edgepress device pack rpi4 --out rpi4-pack",
        "edgepress device pack android-armv8.2 --dry-run",
        "edgepress device pack lambda-x86 --python 3.13 --out pack",
    ]
)
@click.argument("profile", type=PROFILE)
@click.option("--out", type=NEW_FOLDER, help="Write the pack here, and put it on no device.")
@click.option(
    "--python",
    type=click.Choice(["3.11", "3.13"]),
    help="Take the Debian release that has this Python.",
    show_default="the release of this host's sources",
)
@dry_run
@output_options
def pack(
    profile: str, out: Path | None, python: str | None, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Put all that it takes on a device that has nothing.

    That is one folder with its own Python, C library and runtime. It is made of Debian packages
    and wheels on this machine: the device needs no network, no root and no Python.
    """
    from compress.device.pack import build_pack, plan_pack
    from compress.device.pack_parts import parts_of
    from compress.device.setup import check_arch, install_pack, remote
    from profiles.device import load_profile

    known, progress = load_profile(profile), terminal(quiet)
    arch, runtime = known.hardware.arch, known.runtime.name
    if dry_run:
        plan = plan_pack(parts_of(arch, runtime), progress, python)
        sizes = {"download_mb": plan.download_mb, "folder_mb": plan.folder_mb}
        if as_json:
            print_json(sizes)
        else:
            click.echo(
                f"{plan.download_mb:.0f} MB to download, about {plan.folder_mb:.0f} MB as a folder"
            )
        return
    if out is not None:
        made = build_pack(arch, runtime, out, progress=progress, python=python)
        if as_json:
            print_json({"folder": str(made.folder), "size_mb": made.size_mb, **made.contents})
        else:
            click.echo(f"{made.folder}: {made.size_mb:.0f} MB; start it with {made.python}")
        return
    reached = remote(known)
    check_arch(reached, arch)
    made = build_pack(arch or reached.arch, runtime, progress=progress, python=python)
    progress.note(f"{made.size_mb:.0f} MB for the device")
    with reached.lock():
        done = install_pack(reached, made.folder, known, progress)
    _say(profile, done, as_json=as_json)


@device.command(
    context_settings={"ignore_unknown_options": True},
    examples=['edgepress device run rpi5 runs/first/bundle "my card has not arrived"'],
)
@click.argument("profile", type=PROFILE)
@click.argument("model", type=FOLDER)
@click.argument("texts", nargs=-1, required=True)
@json_output
@verbosity
def run(profile: str, model: Path, texts: tuple[str, ...], as_json: bool) -> int:
    """Answer TEXTS on a device with MODEL, by the bundle's own code."""
    from compress.device.run_there import run_there
    from profiles.device import load_profile
    from profiles.transport import reach
    from runtimes.artifact import read_artifact

    known = load_profile(profile)
    artifact = read_artifact(model)
    artifact.verify()
    reached = reach(known)
    words = ["--runtime", known.runtime.name, f"--threads={known.runtime.threads}"]
    with reached.lock():
        shown = ["--json"] if as_json else []
        return run_there(reached, artifact, [*words, *shown, "--", *texts], click.echo)


@device.command(examples=["edgepress device clean rpi5"])
@click.argument("profile", type=PROFILE)
@click.option("--break-lock", is_flag=True, help="Do so although another job holds the device.")
@json_output
@verbosity
def clean(profile: str, break_lock: bool, as_json: bool) -> None:
    """Delete all that edgepress put on a device."""
    from compress.device.setup import clean as clean_device
    from compress.device.setup import remote
    from profiles.device import load_profile

    freed_mb = clean_device(remote(load_profile(profile)), break_lock=break_lock)
    if as_json:
        print_json({"freed_mb": freed_mb})
    else:
        click.echo(f"{profile}: {freed_mb:.0f} MB deleted; nothing of edgepress is left there")


@device.command(
    examples=[
        "edgepress device emulate rpi4 --out board",
        "edgepress device emulate rpi4 --system --memory-mb 256 --out board",
        "edgepress device emulate rpi4 --stop --out board",
    ]
)
@click.argument("profile", type=PROFILE)
@click.option("--out", type=NEW_FOLDER, required=True, help="Make the board here.")
@click.option("--system", is_flag=True, help="Emulate a whole system, with its memory and sshd.")
@click.option(
    "--memory-mb",
    type=click.IntRange(96, 65_536),
    metavar="MB",
    help="With --system: its memory.",
    show_default="the profile's, at most 1024",
)
@click.option("--no-python", is_flag=True, help="With --system: a board without Python.")
@click.option("--stop", "stopping", is_flag=True, help="End the system that runs in --out.")
@output_options
def emulate(
    profile: str,
    out: Path,
    system: bool,
    memory_mb: int | None,
    no_python: bool,
    stopping: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make an emulated arm64 board.

    It answers whether a model loads, fits and says the same there, never how fast. It writes
    the board and a profile that reaches it. With --system the board runs until --stop.
    """
    from compress.device.emulate import emulate as emulate_board
    from compress.device.emulate_system import emulate_system
    from compress.device.system_board import SystemBoard, stop
    from runtimes.errors import InputError

    if stopping:
        click.echo(f"{out}: {'ended' if stop(out) else 'no system runs there'}")
        return
    if (memory_mb or no_python) and not system:
        raise InputError(
            "--memory-mb or --no-python without --system",
            expected="--system: only a whole system has a memory and a Python of its own",
            action="add --system, or leave them out",
        )
    progress = terminal(quiet)
    if system:
        made = emulate_system(
            profile, out, memory_mb=memory_mb, python=not no_python, progress=progress
        )
        SystemBoard(made.folder).start()
    else:
        made = emulate_board(profile, out, progress=progress)
    if as_json:
        print_json({"folder": str(made.folder), "profile": str(made.profile), "core": made.core})
    else:
        click.echo(f"{made.folder}: an emulated {made.core}; its profile is {made.profile}")


def _say(profile: str, done: SetUp, *, as_json: bool) -> None:
    if as_json:
        print_json({"imported": list(done.imported), "size_mb": done.size_mb})
        return
    said = ", ".join(done.imported)
    click.echo(f"{profile}: ready, with {said}; {done.size_mb:.0f} MB there")


def _within_reach(transport: str, name: str) -> str:
    """Say how to find out whether a device answers: nothing was connected."""
    return "this machine" if transport == "local" else f"try it: edgepress device probe {name}"


def _plain(value: Any) -> str:
    """Write a value on one line, a list's parts with commas between them."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return " ".join(_plain(part) for part in value.values() if part is not None)
    return "" if value is None else str(value)

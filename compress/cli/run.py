"""edgepress run: take a teacher through a recipe and judge the result."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compress.cli.options import (
    FILE,
    NEW_FOLDER,
    json_output,
    print_json,
    quietness,
    terminal,
    tier_option,
    verbosity,
)

if TYPE_CHECKING:
    from compress.recipe import Recipe


@click.command()
@click.argument("recipe", type=FILE)
@click.option("--out", required=True, type=NEW_FOLDER, help="The run's folder.")
@click.option(
    "--profile", "profiles", multiple=True, metavar="NAME", help="Instead of the recipe's."
)
@click.option("--data", "data", metavar="FOLDER", help="Where [data]'s files are.")
@click.option("--dry-run", is_flag=True, help="Check everything, print the plan and stop.")
@click.option("--resume/--fresh", default=True, help="Use finished stages, or make all anew.")
@tier_option
@json_output
@quietness
@verbosity
def run(
    recipe: Path,
    out: Path,
    profiles: tuple[str, ...],
    data: str | None,
    dry_run: bool,
    resume: bool,
    tier: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Take a teacher through RECIPE (a TOML file) and judge the result.

    With a [target] the stages after fine-tuning are searched for, as `edgepress search` does.
    Everything is checked before any training. A run that was stopped takes up where it was
    when the same command is given again. The exit code is the verdict's.
    """
    from compress.cli.search import find
    from compress.recipe import read_recipe

    parts = ["edgepress", "run", str(recipe), "--out", str(out)]
    parts += [part for name in profiles for part in ("--profile", name)]
    parts += ["--data", data] if data else []
    found = read_recipe(recipe, data_folder=data)
    work = carry_out if found.target is None else partial(find, target=found.target)
    return work(
        found,
        out=out,
        profiles=profiles,
        dry_run=dry_run,
        fresh=not resume,
        tier=tier,
        as_json=as_json,
        quiet=quiet,
        command=shlex.join(parts),
    )


def carry_out(
    recipe: Recipe,
    out: Path,
    *,
    profiles: tuple[str, ...] = (),
    dry_run: bool = False,
    fresh: bool = False,
    tier: str = "ci",
    as_json: bool = False,
    quiet: bool = False,
    command: str,
) -> int:
    """Plan and run a recipe, print the outcome and return the verdict's exit code."""
    from compress.cli.finished import print_report
    from compress.report.schema import to_json
    from compress.run.cache import default_cache
    from compress.run.pipeline import Run
    from compress.run.plan import make_plan
    from compress.run.run_folder import RunFolder

    progress = terminal(quiet)
    plan = make_plan(recipe, out, profiles=profiles)
    click.echo("\n".join(plan.lines()), err=not dry_run)
    if dry_run:
        for warning in plan.warnings:
            progress.warn(warning)
        return 0
    work = Run(plan, default_cache(), RunFolder(out), progress, command, fresh, tier)
    report, status = work.execute()
    if as_json:
        print_json(to_json(report))
    else:
        print_report(report, out)
    return status.exit_code

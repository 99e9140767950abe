"""edgepress run: take a teacher through a recipe and judge the result."""

from __future__ import annotations

import shlex
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from compress.cli.command import Command
from compress.cli.options import output_options, print_json, terminal, tier_option
from compress.cli.planned import print_plan, recipe_options

if TYPE_CHECKING:
    from compress.recipe import Recipe


@click.command(
    cls=Command,
    examples=[
        "edgepress run recipe.toml --out runs/first --dry-run",
        "edgepress run recipe.toml --out runs/first --profile rpi5 --tier release",
    ],
)
@recipe_options
@click.option(
    "--resume/--fresh", default=True, help="Use the stages that are finished, or run all again."
)
@tier_option
@output_options
def run(
    recipe: Path,
    out: Path,
    profiles: tuple[str, ...],
    data: Path | None,
    dry_run: bool,
    resume: bool,
    tier: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Compress a teacher by RECIPE (a TOML file) and judge the result.

    edgepress checks everything before it trains. A run that was stopped continues when you give
    the same command again. If the recipe has a [target], edgepress searches for the stages after
    the fine-tuning, as `edgepress search` does. The exit code is the verdict's.
    """
    from compress.cli.search import find
    from compress.recipe import read_recipe

    parts = ["edgepress", "run", str(recipe), "--out", str(out)]
    parts += [part for name in profiles for part in ("--profile", name)]
    parts += ["--data", str(data)] if data else []
    parsed = read_recipe(recipe, data_folder=data)
    work = carry_out if parsed.target is None else partial(find, target=parsed.target)
    return work(
        parsed,
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
    started: float | None = None,
) -> int:
    """Plan and run a recipe, print the outcome and return the verdict's exit code.

    `started` is the monotonic time at which the command began, where it did more before.
    """
    from compress.cli.finished import print_report
    from compress.report.stored import to_json
    from compress.run.cache import default_cache
    from compress.run.pipeline import Run
    from compress.run.plan import make_plan
    from compress.run.run_folder import RunFolder

    started = time.monotonic() if started is None else started
    progress = terminal(quiet)
    plan = make_plan(recipe, out, profiles=profiles)
    if dry_run:
        print_plan(plan, progress, as_json=as_json)
        return 0
    if not quiet:
        click.echo("\n".join(plan.lines()), err=True)
    work = Run(plan, default_cache(), RunFolder(out), progress, command, fresh, tier)
    report, status = work.execute()
    if as_json:
        print_json(to_json(report))
    else:
        print_report(report, out, time.monotonic() - started)
    return status.exit_code

"""edgepress search: choose a teacher's smaller shape by measuring, and judge it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.options import (
    FILE,
    NEW_FOLDER,
    json_output,
    print_json,
    quietness,
    tier_option,
    verbosity,
)

if TYPE_CHECKING:
    from compress.recipe import Recipe, TargetSettings
    from compress.search.request import SearchResult

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """A time such as 90s, 60m or 3h, in seconds."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", str(value))
        if found is None or not float(found[1]):
            self.fail(f"{value!r} is no time; write 90s, 60m or 3h", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


@click.command()
@click.argument("recipe", type=FILE)
@click.option("--out", required=True, type=NEW_FOLDER, help="The run's folder.")
@click.option(
    "--profile", "profiles", multiple=True, metavar="NAME", help="Instead of the recipe's."
)
@click.option("--data", "data", metavar="FOLDER", help="Where [data]'s files are.")
@click.option(
    "--retention", type=float, help="Share of the teacher's accuracy to keep (0.99 by default)."
)
@click.option(
    "--retention-lower", type=float, help="Least lower bound of it (one point less by default)."
)
@click.option("--max-trials", type=click.IntRange(1), help="Trainings at most.")
@click.option("--time", "limit_s", type=Duration(), help="90s, 60m, 3h: all in all (60m).")
@click.option("--seeds", type=click.IntRange(1, 100), help="Refits of the answer, a seed each (1).")
@click.option(
    "--resume/--fresh", default=True, help="Go on with the study in --out, or begin another."
)
@tier_option
@json_output
@quietness
@verbosity
def search(
    recipe: Path,
    out: Path,
    profiles: tuple[str, ...],
    data: str | None,
    resume: bool,
    tier: str,
    as_json: bool,
    quiet: bool,
    **limits: Any,
) -> int:
    """Find the fastest and the smallest student of RECIPE's teacher that keep its accuracy.

    Shapes are screened by speed and size, and only what can still win is trained for longer.
    The choice is made on validation rows; the answer is trained again with them, judged on the
    test rows and reported as a run's model is. A search that was stopped goes on where it was
    when the same command is given again. Settings of the recipe's stages that the search does
    not decide are kept. Without an answer the exit code is 1 and the front is shown.
    """
    from compress.recipe import read_recipe

    found = read_recipe(recipe, data_folder=data)
    given = {name: value for name, value in limits.items() if value is not None}
    parts = ["edgepress", "search", str(recipe), "--out", str(out)]
    parts += [part for name in profiles for part in ("--profile", name)]
    parts += ["--data", data] if data else []
    names = {"limit_s": "time"}
    for name, value in given.items():
        shown = f"{value:g}s" if name == "limit_s" else f"{value:g}"
        parts += [f"--{names.get(name, name).replace('_', '-')}", shown]
    return find(
        found,
        _target(found, given, recipe.name),
        out,
        profiles=profiles,
        fresh=not resume,
        tier=tier,
        as_json=as_json,
        quiet=quiet,
        command=shlex.join(parts),
    )


def _target(recipe: Recipe, given: dict[str, Any], name: str) -> TargetSettings:
    """Return the recipe's target with what the command line says instead."""
    from pydantic import ValidationError

    from compress.recipe import TargetSettings, recipe_error

    known = recipe.target.model_dump() if recipe.target else {}
    if "limit_s" in given:
        given = {key: value for key, value in given.items() if key != "limit_s"} | {
            "minutes": given["limit_s"] / 60
        }
    try:
        return TargetSettings.model_validate(known | given)
    except ValidationError as error:
        raise recipe_error(error, name, list(TargetSettings.model_fields)) from error


def find(
    recipe: Recipe,
    target: TargetSettings,
    out: Path,
    *,
    profiles: tuple[str, ...] = (),
    fresh: bool = False,
    dry_run: bool = False,
    tier: str = "ci",
    as_json: bool = False,
    quiet: bool = False,
    command: str,
) -> int:
    """Search, judge the answer, print the outcome and return the verdict's exit code."""
    from compress.cli.finished import print_report
    from compress.report.schema import to_json
    from compress.search.board import TerminalBoard
    from compress.search.conclude import conclude
    from compress.search.request import request_of
    from compress.search.search import search as start

    board = TerminalBoard(quiet=quiet)
    request = request_of(recipe, target, out, profiles=profiles, fresh=fresh, board=board)
    click.echo("\n".join(request.lines()), err=not dry_run)
    if dry_run:
        for warning in request.plan.warnings:
            board.warn(warning)
        return 0
    with board.shown():
        result = start(request)
    report, status = conclude(result, command=command, tier=tier)
    if as_json:
        print_json(to_json(report))
    else:
        _print(result)
        if result.answer is not None:
            print_report(report, out)
    return status.exit_code


def _print(result: SearchResult) -> None:
    from rich.console import Console

    from compress.search.board import table

    Console().print(table(result.rows, result.request.goal))
    click.echo(f"against {result.control.name}, on the validation rows: {result.control.why}")
    if result.answer is None:
        click.echo(f"✗ no shape meets {result.request.goal.text()}; * is the best that was found")
        click.echo(f"models  {result.request.out / 'search'}")

"""edgepress search: choose a teacher's smaller shape by measuring, and judge it."""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.command import Command
from compress.cli.options import output_options, print_json, tier_option
from compress.cli.planned import print_plan, recipe_options

if TYPE_CHECKING:
    from compress.recipe import Recipe, TargetSettings
    from compress.search.request import SearchResult

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType[float]):
    """Read a time such as 90s, 60m or 3h as seconds."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", str(value))
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is not a time; write it as 90s, 60m or 3h", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


@click.command(
    cls=Command,
    examples=[
        "edgepress search recipe.toml --out runs/small --retention 0.99 --time 60m",
        "edgepress search recipe.toml --out runs/small --dry-run",
    ],
)
@recipe_options
@click.option(
    "--retention",
    type=float,
    metavar="SHARE",
    show_default="the recipe's [target], or 0.99",
    help="Keep at least this share of the teacher's accuracy.",
)
@click.option(
    "--max-trials",
    type=click.IntRange(1),
    metavar="N",
    show_default="no limit",
    help="Train at most N times.",
)
@click.option(
    "--time",
    "limit_s",
    type=Duration(),
    show_default="60m",
    help="Take at most this long in total, as in 90s, 60m or 3h.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    metavar="N",
    show_default="the recipe's [target], or 3",
    help="Train the answer again with N seeds.",
)
@click.option(
    "--resume/--fresh", default=True, help="Continue the search in --out, or start a new one."
)
@tier_option
@output_options
def search(
    recipe: Path,
    out: Path,
    profiles: tuple[str, ...],
    data: Path | None,
    dry_run: bool,
    resume: bool,
    tier: str,
    as_json: bool,
    quiet: bool,
    **limits: Any,
) -> int:
    """Find the fastest and the smallest student that keep the teacher's accuracy.

    The search measures the speed and the size of many shapes, and trains only those that can
    still win. It chooses on the validation rows, trains the answer again with them, judges it on
    the test rows and reports it as `edgepress run` does. It keeps the settings of RECIPE that it
    does not decide. A search that was stopped continues when you give the same command again.
    If no shape keeps the accuracy, the command shows the best ones and exits with 1; with 3 if
    the time was up before that was known.
    """
    from compress.recipe import read_recipe

    parsed = read_recipe(recipe, data_folder=data)
    given = {name: value for name, value in limits.items() if value is not None}
    parts = ["edgepress", "search", str(recipe), "--out", str(out)]
    parts += [part for name in profiles for part in ("--profile", name)]
    parts += ["--data", str(data)] if data else []
    names = {"limit_s": "time"}
    for name, value in given.items():
        shown = f"{value:g}s" if name == "limit_s" else f"{value:g}"
        parts += [f"--{names.get(name, name).replace('_', '-')}", shown]
    return find(
        parsed,
        _target(parsed, given, recipe.name),
        out,
        profiles=profiles,
        dry_run=dry_run,
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
    from compress.report.stored import to_json
    from compress.search.board import TerminalBoard
    from compress.search.conclude import conclude
    from compress.search.request import request_of
    from compress.search.search import search as start

    started = time.monotonic()
    board = TerminalBoard(quiet=quiet)
    request = request_of(recipe, target, out, profiles=profiles, fresh=fresh, board=board)
    if dry_run:
        print_plan(request, board, as_json=as_json)
        return 0
    if not quiet:
        click.echo("\n".join(request.lines()), err=True)
    with board.shown():
        result = start(request)
    report, status = conclude(result, command=command, tier=tier)
    if as_json:
        print_json(to_json(report))
    else:
        _print(result)
        if result.answer is not None:
            print_report(report, out, time.monotonic() - started)
    return status.exit_code


def _print(result: SearchResult) -> None:
    from compress.report.terminal import show, signed
    from compress.search.board import table

    show(table(result.rows, result.request.goal))
    click.echo(f"against {result.control.name}, on the validation rows: {result.control.why}")
    if result.answer is None:
        goal = result.request.goal.text()
        said = "the time was up before a shape met" if result.time_is_up else "no shape meets"
        show(signed(result.unmet, f"{said} {goal}", "; * marks the best found"))
        for line in result.advice:
            click.echo(f"  {line}")
        click.echo(f"models  {result.request.out / 'search'}")

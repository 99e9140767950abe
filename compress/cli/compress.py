"""edgepress compress: the one command without a recipe."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compress.cli.command import Command
from compress.cli.init import teacher_options
from compress.cli.options import FiniteRange, output_options, print_json, tier_option
from compress.cli.paths import KEPT_FOLDER
from compress.cli.planned import print_plan
from compress.cli.search import Duration

if TYPE_CHECKING:
    from compress.report.schema import Report
    from compress.search.without_recipe import Asked, Prepared


@click.command(
    cls=Command,
    examples=[
        "edgepress compress models/teacher --data data/train.csv --out runs/small",
        "edgepress compress models/teacher --data data/train.csv --out runs/small \\\n"
        "    --retention 0.99 --time 2h --profile rpi5",
    ],
)
@teacher_options
@click.option(
    "--retention",
    type=FiniteRange(0, 1, min_open=True),
    metavar="SHARE",
    default=0.98,
    help="Keep at least this share of the teacher's accuracy.",
)
@click.option(
    "--time",
    "limit_s",
    type=Duration(),
    default="30m",
    help="Take at most this long in total, as in 90s, 60m or 3h.",
)
@click.option("--out", required=True, type=KEPT_FOLDER, help="Write the results here.")
@click.option("--dry-run", is_flag=True, help="Check everything, print the plan and stop.")
@click.option(
    "--resume/--fresh", default=True, help="Continue what is in --out, or start it again."
)
@tier_option
@output_options
def compress(dry_run: bool, as_json: bool, quiet: bool, **given: Any) -> int:
    """Compress TEACHER for the rows of --data, without a recipe, and judge the result.

    edgepress trains students from one layer up, the fastest first, until one keeps enough of the
    teacher's accuracy on the validation rows. If none does, it quantizes the whole teacher. A
    model that has no trained head is fine-tuned first. The test rows judge the result once, at
    the end. The folder holds what `edgepress run` writes, and recipe.toml, which makes the same
    model again. The exit code is the verdict's.
    """
    from compress.search.without_recipe import compress as work
    from compress.search.without_recipe import prepare

    asked = _asked(given, quiet)
    prepared = prepare(asked)
    if dry_run:
        print_plan(prepared, asked.board, as_json=as_json)
        return 0
    if not quiet:
        click.echo("\n".join(prepared.lines()), err=True)
    report, status = work(prepared)
    _print(prepared, report, as_json)
    return status.exit_code


def _asked(given: dict[str, Any], quiet: bool) -> Asked:
    from compress.search.board import TerminalBoard
    from compress.search.without_recipe import Asked
    from compress.setup.survey import Given

    names = ("teacher", "data", "test", "validation", "text", "text_pair", "label", "finetune")
    return Asked(
        given=Given(**{name: given[name] for name in names}),
        out=given["out"],
        profiles=given["profiles"],
        retention=given["retention"],
        limit_s=given["limit_s"],
        fresh=not given["resume"],
        tier=given["tier"],
        command=_command(given),
        board=TerminalBoard(quiet=quiet),
    )


def _command(given: dict[str, Any]) -> str:
    """Return the command line that does the same again."""
    parts = ["edgepress", "compress", given["teacher"]]
    for name in ("data", "test", "validation", "text", "text_pair", "label"):
        parts += [f"--{name.replace('_', '-')}", str(given[name])] if given[name] else []
    parts += ["--finetune"] if given["finetune"] else []
    parts += [part for name in given["profiles"] for part in ("--profile", name)]
    parts += ["--retention", f"{given['retention']:g}", "--time", f"{given['limit_s']:g}s"]
    return shlex.join([*parts, "--out", str(given["out"])])


def _print(prepared: Prepared, report: Report, as_json: bool) -> None:
    from compress.cli.finished import print_report
    from compress.report.stored import to_json
    from compress.search.without_recipe import RECIPE

    out, survey = prepared.asked.out, prepared.survey
    if as_json:
        print_json(to_json(report))
        return
    print_report(report, out, time.monotonic() - prepared.begun)
    again = shlex.join(["edgepress", "run", str(out / RECIPE), "--out", f"{out}-again"])
    test = survey.splits.get("test", Path("test.csv"))
    gate = ["edgepress", "gate", str(out / "bundle"), "--data", str(test)]
    gate += ["--text", survey.text.column, "--label", survey.label.column]
    gate += ["--text-pair", survey.text_pair.column] if survey.text_pair else []
    click.echo(f"repeat  {again}")
    click.echo(f"gate it {shlex.join([*gate, '--reference', prepared.asked.given.teacher])}")

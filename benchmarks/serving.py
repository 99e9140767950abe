"""A server under open-loop load at a share of its capacity, beside a plain FastAPI application.

python -m benchmarks.serving BUNDLE --texts CSV --text COL

In each round every server is started anew, in an order that is drawn: its capacity is measured with
clients that send one request after the other, then requests arrive as a Poisson process at a share
of that capacity for so many seconds. A latency is from the scheduled arrival to the whole response,
so a stall counts for every request that was due meanwhile. Each answer is compared with the
pipeline's. Where there are two cores, the servers have all but the last, and the load that one.
"""

from __future__ import annotations

import csv
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.command import run
from benchmarks.http_load import Load, Row, capacity_per_s, poisson_load
from benchmarks.peers.environments import interpreter
from profiles.statistics import Interval, clustered_interval, mean_interval
from runtimes.errors import BackendError
from runtimes.predict import open_predictor

_CONFIDENCE = 0.95
_BLOCK_S = 5.0
"""Latencies of so many seconds are one cluster: a queue's requests resemble their neighbors."""

_CLIENTS = 16
_CAPACITY_S = 5.0
_START_S = 120.0
_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_OWN, _PEER = "edgepress serve", "FastAPI"
_PEER_PROGRAM = Path(__file__).parent / "peers" / "fastapi_server.py"


@click.command(context_settings={"show_default": True})
@click.argument("bundle", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--texts", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--text", default="text", help="The column of texts.")
@click.option("--rows", default=500, type=click.IntRange(2), help="The first so many texts.")
@click.option("--seconds", default=60.0, type=click.FloatRange(1), help="Of each load.")
@click.option("--rounds", default=2, type=click.IntRange(1), help="Fresh servers of each.")
@click.option("--share", default=0.8, type=click.FloatRange(0.01, 0.99), help="Of the capacity.")
@click.option("--options", default="", help="Of edgepress serve, as one word.")
@click.option("--peer", type=click.Path(path_type=Path), help="Keep FastAPI's environment here.")
@click.option("--seed", default=7)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures.")
def main(json_file: Path | None, **settings: Any) -> None:
    """Print capacity, latency, errors and memory of the servers."""
    run(lambda: measured(**settings), table, json_file)


def measured(
    bundle: Path,
    texts: Path,
    text: str,
    rows: int,
    seconds: float,
    rounds: int,
    share: float,
    options: str,
    peer: Path | None,
    seed: int,
) -> dict[str, Any]:
    """Load every server in each round; return the rounds and their summary."""
    asked = _rows(bundle, texts, text, rows)
    commands = {_OWN: _own(bundle, options)}
    if peer is not None:
        program = [str(interpreter("fastapi", peer)), str(_PEER_PROGRAM), str(bundle.absolute())]
        commands[_PEER] = [*program, "{port}"]
    order = random.Random(seed)
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    with _cores_apart() as cores:
        for number in range(rounds):
            for name in order.sample(list(commands), len(commands)):
                with _server(commands[name], cores) as (process, port):
                    drawn = f"{seed}-{number}"
                    seen[name].append(_loaded(process, port, asked, share, seconds, drawn))
    return {
        "bundle": bundle.name,
        "settings": {"seconds": seconds, "rounds": rounds, "share": share, "options": options},
        "load_average": os.getloadavg(),
        "rounds": seen,
        "summary": {name: _summary(done) for name, done in seen.items()},
    }


def _rows(bundle: Path, file: Path, column: str, count: int) -> list[Row]:
    """Return requests of one text each, with what the pipeline answers."""
    with file.open(encoding="utf-8", newline="") as stream:
        texts = [row[column] for row in islice(csv.DictReader(stream), count)]
    predictor = open_predictor(bundle)
    answers = [predictor.task.shown(predictor.answer(text), text, 0) for text in texts]
    return [
        Row(json.dumps({"texts": [text]}).encode(), answer["label"], answer["score"])
        for text, answer in zip(texts, answers, strict=True)
    ]


def _own(bundle: Path, options: str) -> list[str]:
    program = "from compress.cli.main import main; main()"
    given = [str(bundle), "--port", "{port}", *options.split()]
    return [sys.executable, "-c", program, "serve", *given]


@contextmanager
def _cores_apart() -> Iterator[set[int]]:
    """Keep this process to the last core, and yield the others for the servers."""
    cores = os.sched_getaffinity(0)
    last = max(cores)
    others = cores - {last} or cores
    if len(cores) > 1:
        os.sched_setaffinity(0, {last})
    try:
        yield others
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def _server(
    command: Sequence[str], cores: set[int]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a server on a free port, wait until it accepts connections, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [word.format(port=port) if word == "{port}" else word for word in command]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        os.sched_setaffinity(process.pid, cores)
        try:
            _wait(process, port)
            yield process, port
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise BackendError("a server did not start", action="start it alone, and see what it says")


def _loaded(
    process: subprocess.Popen[bytes],
    port: int,
    rows: Sequence[Row],
    share: float,
    seconds: float,
    seed: str,
) -> dict[str, Any]:
    capacity_per_s(port, rows, _CLIENTS, _CAPACITY_S / 2)  # until it is warm
    capacity = capacity_per_s(port, rows, _CLIENTS, _CAPACITY_S)
    before_mb = _rss_mb(process.pid)
    load = poisson_load(port, rows, share * capacity, seconds, seed)
    return {
        "capacity_per_s": capacity,
        "per_s": share * capacity,
        "requests": len(load.late_ms),
        "wrong": load.wrong,
        "failed": load.failed,
        "late_p99_ms": float(np.quantile(load.late_ms, 0.99)),
        "rss_mb": [before_mb, _rss_mb(process.pid)],
        "latency_ms": _blocks(load),
    }


def _blocks(load: Load) -> list[list[float]]:
    """Return the latencies by the block of time in which they were due."""
    blocks: dict[int, list[float]] = {}
    for due, latency in sorted(load.latencies):
        blocks.setdefault(int(due / _BLOCK_S), []).append(latency)
    return list(blocks.values())


def _rss_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _summary(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a server's figures over all rounds, each with its bounds where it has any."""
    blocks = [block for done in rounds for block in done["latency_ms"]]
    return {
        "capacity_per_s": _bounds(mean_interval([r["capacity_per_s"] for r in rounds], 0.95)),
        **{
            f"latency_{name}_ms": _bounds(clustered_interval(blocks, q, _CONFIDENCE))
            for name, q in _PERCENTILES.items()
        },
        "requests": sum(done["requests"] for done in rounds),
        "wrong": sum(done["wrong"] for done in rounds),
        "failed": sum(len(done["failed"]) for done in rounds),
        "memory_growth": max(done["rss_mb"][1] / done["rss_mb"][0] for done in rounds) - 1,
    }


def _bounds(interval: Interval) -> dict[str, Any]:
    return {"value": interval.value, "lower": interval.lower, "upper": interval.upper}


def table(result: Mapping[str, Any]) -> str:
    """Return a Markdown table of the summary, a row a server."""
    rounds, summary = result["rounds"], result["summary"]
    lines = [
        "| server | capacity a second, by round | p50 ms | p90 ms | p99 ms | requests | wrong"
        " | failed | memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in summary.items():
        capacities = ", ".join(f"{done['capacity_per_s']:.0f}" for done in rounds[name])
        latencies = " | ".join(_shown(figures[f"latency_{p}_ms"]) for p in _PERCENTILES)
        counts = " | ".join(str(figures[key]) for key in ("requests", "wrong", "failed"))
        growth = f"{100 * figures['memory_growth']:+.1f} %"
        lines.append(f"| {name} | {capacities} | {latencies} | {counts} | {growth} |")
    if _PEER in rounds and len(rounds[_PEER]) > 1:
        ratios = [
            own["capacity_per_s"] / peer["capacity_per_s"]
            for own, peer in zip(rounds[_OWN], rounds[_PEER], strict=True)
        ]
        shown = _shown(_bounds(mean_interval(ratios, _CONFIDENCE)))
        lines.append(f"\nCapacity of {_OWN} over {_PEER}'s, round by round: {shown}")
    return "\n".join(lines)


def _shown(bounds: Mapping[str, float | None]) -> str:
    value, lower, upper = (bounds[key] for key in ("value", "lower", "upper"))
    if value is None:
        return "–"
    return f"{value:.2f} [{'–' if lower is None else f'{lower:.2f}'}, " + (
        "–]" if upper is None else f"{upper:.2f}]"
    )


if __name__ == "__main__":
    main()

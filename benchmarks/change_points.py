"""Simulate series of figures: how often each method shows a change that is none, or misses one.

python -m benchmarks.change_points [--trials 1000] [--json FILE]

A series has 30 entries with noise of 2 %: normal; with heavy tails (Student's t, 2 degrees of
freedom); autocorrelated (0.3). It is flat, or steps up at a random entry, the fourth to the
twenty-eighth. "dated" counts series with a change at most one entry away. `ruptures` (PELT, squared
error, penalty 2 σ² ln n with σ from the differences) and `otava` (Apache Otava, its t-test at 0.001
and at 0.05, window 50) are compared where they are installed; neither is a dependency.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.command import run
from profiles.changes import Setting, change_points

ENTRIES = 30
Floats = NDArray[np.float64]
Method = Callable[[Floats], list[int]]
"""Return the places of the changes in the logarithms of a series."""

NOISE: dict[str, Callable[[np.random.Generator], Floats]] = {
    "normal": lambda g: g.normal(0, 0.02, ENTRIES),
    "heavy tails": lambda g: 0.02 * g.standard_t(2, ENTRIES),
    "autocorrelated": lambda g: _autocorrelated(g, 0.3),
}
STEPS = (1.1, 1.05, 1.03)


def _autocorrelated(generator: np.random.Generator, share: float) -> Floats:
    values = generator.normal(0, 0.02, 3 * ENTRIES)
    for place in range(1, len(values)):
        values[place] += share * values[place - 1]
    return values[-ENTRIES:]


def _own(logs: Floats) -> list[int]:
    setting = Setting([""] * len(logs), list(range(len(logs))))
    return [change.place for change in change_points({"x": np.exp(logs)}, setting)["x"]]


def _ruptures(logs: Floats) -> list[int]:
    ruptures = import_module("ruptures")
    noise = float(np.std(np.diff(logs)) / np.sqrt(2))
    penalty = 2 * noise**2 * np.log(len(logs))
    found = ruptures.Pelt(model="l2", min_size=2, jump=1).fit(logs).predict(pen=penalty)
    return [int(place) for place in found[:-1]]


def _otava(risk: float) -> Method:
    def method(logs: Floats) -> list[int]:
        # A list: given an array, Otava 0.8 ends with ValueError for most series.
        found, _ = import_module("otava.analysis").compute_change_points(
            np.exp(logs).tolist(), 50, risk, 0.0
        )
        return [int(point.index) for point in found]

    return method


def methods() -> dict[str, Method]:
    """Return the methods that are installed."""
    known: dict[str, Method] = {"edgepress": _own}
    if find_spec("ruptures"):
        known["ruptures"] = _ruptures
    if find_spec("otava"):
        known |= {"otava 0.001": _otava(0.001), "otava 0.05": _otava(0.05)}
    return known


def simulate(trials: int, seed: int) -> dict[str, Any]:
    """Return each method's shares, by noise and step."""
    return {
        name: {
            "false": {kind: _false(method, kind, trials, seed) for kind in NOISE},
            "dated": {f"{step:g}": _dated(method, step, trials, seed) for step in STEPS},
        }
        for name, method in methods().items()
    }


def _false(method: Method, kind: str, trials: int, seed: int) -> float:
    generator = np.random.default_rng(seed)
    return sum(bool(method(NOISE[kind](generator))) for _ in range(trials)) / trials


def _dated(method: Method, step: float, trials: int, seed: int) -> float:
    generator = np.random.default_rng(seed)
    hits = 0
    for _ in range(trials):
        logs, place = NOISE["normal"](generator), int(generator.integers(3, ENTRIES - 2))
        logs[place:] += np.log(step)
        hits += any(abs(found - place) <= 1 for found in method(logs))
    return hits / trials


def table(content: Mapping[str, Any]) -> str:
    """Write a line for each method."""
    columns = [*(f"flat, {kind}" for kind in NOISE), *(f"step {step:g} dated" for step in STEPS)]
    lines = [f"{'':<12}" + "".join(f"{column:>22}" for column in columns)]
    for name, row in content["methods"].items():
        shares = [*row["false"].values(), *row["dated"].values()]
        cells = (f"{100 * share:.1f} %" for share in shares)
        lines.append(f"{name:<12}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


@click.command(context_settings={"show_default": True})
@click.option("--trials", default=1000, type=click.IntRange(1))
@click.option("--seed", default=7)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def main(trials: int, seed: int, json_file: Path | None) -> None:
    """Compare methods that find change points on simulated series."""

    def measure() -> dict[str, Any]:
        found = simulate(trials, seed)
        return {"schema_version": 1, "trials": trials, "seed": seed, "methods": found}

    run(measure, table, json_file)


if __name__ == "__main__":
    main()

"""Answers of one model on several devices, row by row beside this machine's.

    python -m benchmarks.boards MODEL --data test.csv --label category --rows 500 \\
        --profile rpi4-emulated-system.toml --profile rpi5-emulated.toml

It prints for each device: accuracy there and here, the rows whose label differs, the largest
difference of an answer, and the peak memory of a process. `edgepress device emulate` makes a board.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.data.dataset import DataSettings, load_labeled
from compress.data.rows import Rows
from compress.tasks import task_of
from profiles.device import DeviceProfile, load_profile
from profiles.job import Job
from runtimes.artifact import Artifact, read_artifact
from runtimes.runtime import runs_in
from runtimes.samples import Variant

_MEMORY_ROWS = 8
_MOST_LISTED = 20


def main() -> None:
    """Compare, and print a line a device."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--label", default="label")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--profile", action="append", required=True)
    given = parser.parse_args()
    artifact = read_artifact(given.model)
    settings = DataSettings(train=(), test=(given.data,), label=given.label)
    rows, _ = load_labeled(settings, Path(), artifact.labels, task_of(artifact.task))
    rows = Rows(rows.inputs[: given.rows], rows.targets[: given.rows])
    here = _answers(Job(), artifact, rows)
    right = _accuracy(here, rows)
    cpu = Job().facts().cpu_model
    print(f"{given.model.name}: {len(rows)} rows, accuracy here {right:.2%}, {cpu}")
    for profile in given.profile:
        _compare(load_profile(profile), artifact, rows, here)


def _compare(
    profile: DeviceProfile, artifact: Artifact, rows: Rows, here: NDArray[np.float32]
) -> None:
    device = Job.on([profile])
    with device.lock():
        began = time.monotonic()
        there = _answers(device, artifact, rows)
        seconds = time.monotonic() - began
        some = list(rows.inputs[:_MEMORY_ROWS])
        steps = device.memory(_variant(artifact), some)
    differ = np.flatnonzero(here.argmax(axis=1) != there.argmax(axis=1))
    lengths = np.linalg.norm(here, axis=1) * np.linalg.norm(there, axis=1)
    cosine = (here * there).sum(axis=1) / lengths
    facts = device.facts()
    peak = f"{steps[-1]['peak_mb']:.0f} MB" if not facts.emulates_programs else "not measured"
    listed = ", ".join(str(row + 1) for row in differ[:_MOST_LISTED]) or "none"
    print(
        f"  {profile.name} ({facts.cpu_model}, {facts.emulated or 'a real machine'}):"
        f" accuracy {_accuracy(there, rows):.2%}, {len(differ)} rows differ (rows {listed}),"
        f" largest difference {np.abs(here - there).max():.3g}, least cosine {cosine.min():.4f},"
        f" peak memory {peak}, {seconds:.0f} s"
    )


def _variant(artifact: Artifact) -> Variant:
    return Variant("model", artifact, runs_in(artifact.format))


def _answers(device: Job, artifact: Artifact, rows: Rows) -> NDArray[np.float32]:
    return np.stack(device.answers(_variant(artifact), list(rows.inputs)))


def _accuracy(answers: NDArray[np.float32], rows: Rows) -> float:
    return float((answers.argmax(axis=1) == np.asarray(rows.targets)).mean())


if __name__ == "__main__":
    main()

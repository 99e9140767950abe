"""The simulation of change points runs, and its figures are what they are called."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from benchmarks import change_points


def test_a_short_simulation(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = CliRunner().invoke(change_points.main, ["--trials", "5", "--json", str(file)])
    assert done.exit_code == 0, done.output
    own = json.loads(file.read_text())["methods"]["edgepress"]
    assert own["false"].keys() == change_points.NOISE.keys()
    assert own["dated"]["1.1"] >= 0.8
    assert done.output.splitlines()[1].startswith("edgepress")

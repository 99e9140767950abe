"""The packages' benchmark measures what it says, beside the limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import packages
from compress.package.targets import target_of
from compress.run.bundle import bundle as write_bundle
from runtimes.files import folder_bytes
from tests.runtimes.tiny import tiny_linear


def test_three_packages_of_one_bundle_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "NAIVE", ())  # no download
    tiny_linear(tmp_path / "linear")
    write_bundle(tmp_path / "linear", tmp_path / "bundle")
    figures = packages.compare(tmp_path / "bundle", target_of("lambda-x86"), "3.13")
    assert set(figures["packages"]) == {"edgepress", "by hand", "naive"}
    for sizes in figures["packages"].values():
        assert sizes["unzipped_bytes"] >= folder_bytes(tmp_path / "bundle")
        assert 0 < sizes["zip_bytes"] < sizes["unzipped_bytes"]
        assert sizes["wheels"] == {}


def test_what_is_over_a_limit_is_said() -> None:
    sizes = {"zip_bytes": 70_000_000, "unzipped_bytes": 188_000_000, "wheels": {"numpy": "2"}}
    figures = {
        "bundle": "runs/demo/bundle",
        "model_bytes": 2_000_000,
        "target": "lambda-x86",
        "python": "3.13",
        "limits": {"zip": 52_428_800, "unzipped": 262_144_000},
        "packages": {"by hand": sizes},
    }
    both = {"schema_version": 2, "bundles": [figures]}
    assert "runs/demo/bundle, 2.0; MB" in packages.table(both)
    (line,) = [line for line in packages.table(both).splitlines() if "by hand" in line]
    assert "zip 70.0 of 52.4 OVER; unzipped 188.0 of 262.1;" in line


def test_several_bundles_are_compared_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "NAIVE", ())  # no download
    tiny_linear(tmp_path / "linear")
    words = []
    for name in ("one", "demo"):
        write_bundle(tmp_path / "linear", tmp_path / name)
        words += ["--bundle", str(tmp_path / name)]
    written = tmp_path / "figures.json"
    done = CliRunner().invoke(packages.main, [*words, "--target", "zip", "--json", str(written)])
    assert done.exit_code == 0, done.output
    found = json.loads(written.read_text())["bundles"]
    assert [row["bundle"] for row in found] == [str(tmp_path / "one"), str(tmp_path / "demo")]

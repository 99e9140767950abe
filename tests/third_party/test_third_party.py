"""A package of somebody else's adds one of each seam by entry points, and runs through them."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compress.tiny_models import make_data, make_model

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

SEAMS = {
    "runtime": {"edgepress.runtimes": "acme = acme_runtime:AcmeRuntime"},
    "stage": {"edgepress.stages": "acme-squeeze = acme_stage:Squeeze"},
    "task": {
        "edgepress.tasks": "acme-tags = acme_task:Tags",
        "edgepress.device_tasks": "acme-tags = acme_device_task:Tags",
    },
    "transport": {"edgepress.transports": "acme-wire = acme_transport:Wire"},
}
"""The entry points of each seam: nothing else makes the package known."""

PROFILE = """
schema = 1
name = "acme-board"
[transport]
kind = "acme-wire"
host = "{host}"
[runtime]
name = "acme"
threads = 1
[budgets]
accuracy_retention = {{min = 0.5}}
artifact_mb = {{max = 5}}
latency_p90_ms = {{max = 1000, level = "warn"}}
"""
"""The latency only warns: to decide it takes thirty processes, and no seam changes how."""

RECIPE = """
schema = 1
name = "tags"
profiles = ["board.toml"]
[teacher]
path = "model"
task = "acme-tags"
[data]
train = "train.csv"
test = "test.csv"
label = "tags"
[[stage]]
kind = "finetune"
epochs = 12
learning_rate = 1e-3
[[stage]]
kind = "distill"
layers = 1
epochs = 8
[[stage]]
kind = "quantize"
max_drop = 0.2
[[stage]]
kind = "acme-squeeze"
level = 9
"""


class Site:
    """Hold the package as pip would have installed it, and run edgepress beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for module in HERE.glob("acme_*.py"):
            shutil.copyfile(module, folder / module.name)
        info = folder / "acme-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        groups = (group for seam in SEAMS.values() for group in seam.items())
        text = "".join(f"[{group}]\n{row}\n\n" for group, row in groups)
        (info / "entry_points.txt").write_text(text)

    def edgepress(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command line in a process that knows the package."""
        code = "from compress.cli.main import main; main()"
        paths = os.pathsep.join([str(self.folder), str(ROOT)])
        return subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments],
            env={**os.environ, "PYTHONPATH": paths},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a pretrained model, rows with tags, a profile and a recipe."""
    folder = tmp_path_factory.mktemp("work")
    make_model(folder / "model", "bert")
    (folder / "model" / "artifact.json").unlink()
    data = make_data()
    for name, rows in (("train", data.train), ("test", data.test)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "tags"])
            writer.writerows(
                (text, _tags(text, data.labels[target]))
                for text, target in zip(rows.inputs, rows.targets, strict=True)
            )
    (folder / "board.toml").write_text(PROFILE.format(host=folder / "board"), encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return folder


def _tags(text: str, label: str) -> str:
    return f"{label}|long" if len(text.split()) > 5 else label


@pytest.fixture(scope="module")
def out(site: Site, work: Path) -> Path:
    """Run the recipe."""
    done = site.edgepress("run", "recipe.toml", "--out", "out", "--tier", "quick", cwd=work)
    assert done.returncode == 0, done.stdout + done.stderr
    return work / "out"


def test_a_run_goes_through_all_of_them(out: Path, work: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    (verdict,) = report["verdicts"]
    assert (verdict["profile"], verdict["status"]) == ("acme-board", "PASS")
    chosen = report["summary"]["model"]
    assert (chosen["format"], chosen["runtime"]) == ("acme", "acme")
    assert 0.5 < chosen["accuracy"] <= 1
    assert report["stages"][-1]["kind"] == "acme-squeeze"
    manifest = json.loads((out / "bundle" / "artifact.json").read_text(encoding="utf-8"))
    assert manifest["task"] == "acme-tags"
    assert list((work / "board").iterdir()), "nothing went over the transport"


def test_its_bundle_runs_by_itself(out: Path, tmp_path: Path) -> None:
    """The package is not there: what the bundle needs of it is in the bundle."""
    done = subprocess.run(
        [sys.executable, str(out / "bundle" / "predict.py"), "--json", "a text to tag"],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout)["tags"], list)


def test_a_gate_goes_through_all_of_them(site: Site, out: Path, work: Path) -> None:
    (made,) = out.glob("*-acme-squeeze-*")
    done = site.edgepress(
        *("gate", str(made), "--reference", str(out / "reference")),
        *("--data", "test.csv", "--label", "tags", "--profile", "board.toml"),
        *("--tier", "quick", "--json"),
        cwd=work,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["verdicts"][0]["status"] == "PASS"
    assert {model["runtime"] for model in report["models"]} == {"acme", "onnxruntime"}
    for model in report["models"]:
        assert {row["metric"]: row["value"] for row in model["figures"]}["latency_p50_ms"] > 0


@pytest.mark.parametrize("seam", SEAMS)
def test_contributing_says_how_many_files_each_takes(seam: str) -> None:
    modules = {row.partition(" = ")[2].partition(":")[0] for row in SEAMS[seam].values()}
    assert all((HERE / f"{module}.py").is_file() for module in modules)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    said = re.search(rf"^\| {seam} \| (\d) ", text, re.MULTILINE)
    assert said is not None
    assert int(said[1]) == len(modules)

"""docs/ci followed to the letter: from an empty folder to a gated bundle with a job summary."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from junitparser import JUnitXml

from compress.judge.noise_model import noise_model, noise_texts
from compress.run.bundle import write_bundle
from runtimes.artifact import read_artifact
from runtimes.predict import open_predictor
from tests.compress.comment.api import Api, serving
from tests.compress.comment.test_comment import github

pytestmark = pytest.mark.slow
"""Minutes: each environment is installed from nothing."""

ROOT = Path(__file__).parents[3]
CI = ROOT / "docs" / "ci"
WORKFLOW = yaml.safe_load((CI / "github-actions.yml").read_text(encoding="utf-8"))
JOB = yaml.safe_load((CI / "gitlab-ci.yml").read_text(encoding="utf-8"))["model-gate"]

MOST_S = 600
MOST_MB = 400
DECIDED = (0, 3)
"""A model beside its own copy never fails; a busy machine may leave it undecided."""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel that stands in for the index, which gives all other packages."""
    folder = tmp_path_factory.mktemp("shelf")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def branch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what a repository holds: a bundle, rows that it answers, and the constraints."""
    folder = tmp_path_factory.mktemp("branch")
    bundle = write_bundle(noise_model(folder / "made"), folder / "models" / "classifier")
    shutil.rmtree(folder / "made")
    (folder / "data").mkdir()
    predictor, labels = open_predictor(bundle), read_artifact(bundle).labels
    with (folder / "data" / "test.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, labels[np.argmax(predictor.answer(text))]) for text in noise_texts(7, 600)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    shutil.copyfile(ROOT / "constraints.txt", folder / "constraints.txt")
    return folder


class Runner:
    """Run lines as a CI system's shell does, in a folder, with an environment of its own."""

    def __init__(self, folder: Path, shelf: Path, **variables: str) -> None:
        self.folder = folder
        self.start = time.monotonic()
        self.seconds: dict[str, float] = {}
        self.shell([sys.executable, "-m", "venv", str(folder.parent / "venv")], "python")
        self.megabytes = -self._megabytes()
        path = f"{folder.parent / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.variables = {"PATH": path, "PIP_FIND_LINKS": self._links(shelf), **variables}

    @staticmethod
    def _links(shelf: Path) -> str:
        return " ".join(filter(None, [str(shelf), os.environ.get("PIP_FIND_LINKS")]))

    def _megabytes(self) -> float:
        files = (file for file in (self.folder.parent / "venv").rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files) / 2**20

    def shell(self, command: list[str], step: str) -> subprocess.CompletedProcess[str]:
        hidden = ("PYTHON", "GITHUB_", "EDGEPRESS_", "VIRTUAL_ENV")
        env = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        start = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**env, **getattr(self, "variables", {})},
            capture_output=True,
            text=True,
            timeout=MOST_S,
            check=False,
        )
        self.seconds[step] = time.monotonic() - start
        return done

    def lines(self, text: str, step: str) -> subprocess.CompletedProcess[str]:
        """Run the text of a step as both systems do: the first failure ends it."""
        return self.shell(["bash", "-e", "-o", "pipefail", "-c", text], step)

    def installed(self) -> None:
        """Check what the environment holds by now, and say what each step took."""
        self.megabytes += self._megabytes()
        assert self.megabytes < MOST_MB
        listed = self.lines("python -m pip list --format freeze", "list").stdout
        assert "edgepress==" in listed
        assert not re.search(r"^(torch|transformers|openvino|nncf|datasets)==", listed, re.M)

    def in_time(self) -> None:
        """Check that it took minutes from the empty folder to here."""
        took = time.monotonic() - self.start
        steps = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in self.seconds.items())
        print(f"{took:.0f} s, {self.megabytes:.0f} MB: {steps}")
        assert took < MOST_S


class Github(Runner):
    """Run a workflow's steps, those of actions left out: their work is done beforehand."""

    def __init__(self, folder: Path, shelf: Path) -> None:
        super().__init__(folder, shelf)
        self.summary = folder.parent / "summary.md"
        self._output = folder.parent / "output"
        self.variables |= {
            **WORKFLOW["env"],
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self._output),
        }

    def outputs(self) -> dict[str, str]:
        lines = self._output.read_text(encoding="utf-8").split() if self._output.exists() else ()
        return dict(line.split("=") for line in lines)

    def applies(self, step: Mapping[str, Any]) -> bool:
        """Tell whether a step's condition holds; it knows those that the workflow has."""
        first = self.outputs().get("model") != "yes"
        told = (self.folder / "gate" / "comment.md").exists()
        conditions = {
            "${{ !cancelled() && hashFiles('gate/comment.md') != '' }}": told,
            "${{ steps.base.outputs.model == 'yes' }}": not first,
            "${{ steps.base.outputs.model != 'yes' }}": first,
        }
        return conditions[step["if"]] if "if" in step else True

    def steps(self) -> Iterator[tuple[str, subprocess.CompletedProcess[str]]]:
        """Run the steps; yield each name and what came of it.

        After one that fails, only those run whose condition does not need success.
        """
        failed = False
        for step in WORKFLOW["jobs"]["gate"]["steps"]:
            always = "!cancelled()" in str(step.get("if"))
            if "run" in step and self.applies(step) and (always or not failed):
                done = self.lines(step["run"], step["name"])
                yield step["name"], done
                failed = failed or done.returncode != 0


def test_the_workflow_as_written(tmp_path: Path, shelf: Path, branch: Path) -> None:
    place = tmp_path / "checkout of a pull request"
    shutil.copytree(branch, place)
    first = Github(place, shelf)
    ran = dict(first.steps())
    assert list(ran) == ["Install edgepress", "Look for the reference", "Run the first model"]
    for name, done in ran.items():
        assert done.returncode == 0, f"{name}: {done.stderr}"
    first.installed()
    assert "nothing to compare this one with" in first.summary.read_text(encoding="utf-8")
    assert len((place / "answers.txt").read_text(encoding="utf-8").splitlines()) == 600

    shutil.copytree(branch, place / "base")
    first.summary.unlink()
    with serving(Api()) as api:
        variables = {key: value for key, value in github(api, tmp_path).items() if value}
        first.variables |= variables  # GITHUB_TOKEN is what the step's env says
        ran = dict(first.steps())
    told = "Comment on the pull request"
    assert list(ran) == ["Install edgepress", "Look for the reference", "Gate the model", told]
    assert ran[told].stdout.startswith("comment created"), ran[told].stderr
    assert "edgepress gate: " in api.bodies[0]
    gated = ran["Gate the model"]
    assert gated.returncode in DECIDED, gated.stdout + gated.stderr
    summary = first.summary.read_text(encoding="utf-8")
    assert "regression" in summary
    assert "accuracy_retention" in summary
    assert summary.count("|") > 20
    check_junit(place, gated)
    assert (place / "gate" / "comment.md").stat().st_size
    assert (place / "gate" / "samples.jsonl").stat().st_size
    first.in_time()

    first.variables["GATE_TIER"] = "quick"
    script = f"{CI / 'gate.sh'} models/classifier data/test.csv base/models/classifier"
    done = first.lines(script, "gate.sh")
    assert done.returncode in DECIDED, done.stdout + done.stderr


def test_the_job_as_written(tmp_path: Path, shelf: Path, branch: Path) -> None:
    place = tmp_path / "builds"
    clone_of(branch, tmp_path / "origin", place)
    job = Runner(
        place,
        shelf,
        CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main",
        **{
            name: value.replace("$CI_PROJECT_DIR", str(place))
            for name, value in JOB["variables"].items()
        },
    )
    script = "\n".join([*JOB["before_script"], *JOB["script"]])
    done = job.lines(script, "first merge request")
    assert done.returncode == 0, done.stderr
    assert "nothing to compare this one with" in done.stdout
    job.installed()

    git(place, "push", "--quiet", "origin", "HEAD:main")
    git(place, "clean", "-ffdxq")  # as the runner does before each job
    done = job.lines(script, "merge request")
    assert done.returncode in DECIDED, done.stdout + done.stderr
    check_junit(place, done)
    job.in_time()


def check_junit(place: Path, gated: subprocess.CompletedProcess[str]) -> None:
    """Check that the report counts what is undecided, and nothing else, as a failure."""
    report = JUnitXml.fromfile(str(place / "gate" / "junit.xml"))
    assert report.tests >= 5
    assert (report.failures == 0) is (gated.returncode == 0)


def clone_of(branch: Path, origin: Path, place: Path) -> None:
    """Clone a repository whose branch main is bare, and commit the branch's files in the clone."""
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(origin)], check=True)
    subprocess.run(["git", "clone", "--quiet", str(origin), str(place)], check=True)
    git(place, "commit", "--quiet", "--allow-empty", "-m", "nothing yet")
    git(place, "push", "--quiet", "origin", "HEAD:main")
    git(place, "checkout", "--quiet", "-b", "change")
    shutil.copytree(branch, place, dirs_exist_ok=True)
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "-m", "the model")


def git(place: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=it", "-c", "user.email=it@localhost")
    subprocess.run(["git", "-C", str(place), *identity, *arguments], check=True)

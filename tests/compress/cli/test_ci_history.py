"""docs/ci as a team uses it: ten commits, a slowdown at the seventh, the comments of its change."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.planted_work import slow_copy
from compress.judge.noise_model import noise_model, noise_texts
from compress.run.bundle import write_bundle
from runtimes.artifact import read_artifact
from runtimes.predict import open_predictor
from tests.compress.comment.api import Api, serving
from tests.compress.comment.test_comment import github

pytestmark = [pytest.mark.slow, pytest.mark.alone]
"""Minutes: a gate for each of ten commits. Timings of real processes."""

ROOT = Path(__file__).parents[3]
CI = ROOT / "docs" / "ci"
COMMITS, SLOWER = 10, 7
COLUMNS = 4_000
"""Of 5,120 columns of dense layers so many are computed twice."""


class Team:
    """Work in a clone of a repository, with a shell's environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder / "clone"
        command = folder / "bin" / "edgepress"
        command.parent.mkdir(parents=True)
        start = "from compress.cli.main import main; main()"
        command.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c '{start}' \"$@\"\n")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder / "origin"], check=True)
        subprocess.run(["git", "clone", "-q", folder / "origin", self.place], check=True)
        self.git("checkout", "-q", "-B", "main")

    def run(
        self, *command: str, env: Mapping[str, str | None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        hidden = ("GITHUB_", "CI_", "GIT_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        own = {"PATH": f"{self.folder / 'bin'}{os.pathsep}{kept['PATH']}", "PYTHONPATH": str(ROOT)}
        more = {key: value for key, value in (env or {}).items() if value}
        return subprocess.run(
            command,
            cwd=self.place,
            env={**kept, **own, "GATE_TIER": "quick", **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=it", "-c", "user.email=it@localhost")
        done = self.run("git", *identity, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

    def json(self, *arguments: str) -> Any:
        done = self.run("edgepress", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """Make a repository with a model, the released one, rows and the scripts of docs/ci."""
    team = Team(tmp_path_factory.mktemp("team"))
    made = noise_model(team.folder / "made")
    write_bundle(made, team.place / "models" / "classifier")
    write_bundle(made, team.place / "models" / "released")
    write_bundle(slow_copy(made, COLUMNS, team.folder / "slow"), team.folder / "slower")
    (team.place / "ci").mkdir()
    for name in ("history.sh", "gate.sh"):
        shutil.copy(CI / name, team.place / "ci" / name)
    (team.place / ".gitignore").write_text("/history\n/gate\n")
    (team.place / "data").mkdir()
    bundle = team.place / "models" / "classifier"
    predictor, labels = open_predictor(bundle), read_artifact(bundle).labels
    with (team.place / "data" / "test.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, labels[np.argmax(predictor.answer(text))]) for text in noise_texts(7, 100)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    return team


@pytest.fixture(scope="module")
def commits(team: Team) -> list[str]:
    """Make ten commits, the seventh with a slower model; measure each as its CI job would."""
    made, start = [], time.monotonic()
    for number in range(1, COMMITS + 1):
        if number == SLOWER:
            replace(team.place / "models" / "classifier", team.folder / "slower")
        made.append(team.commit(f"commit {number}"))
        done = team.run("ci/history.sh", "models/classifier", "data/test.csv", "models/released")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"regression-history on main: {number} entr" in done.stdout
        shutil.copy(team.place / "history" / "samples.jsonl", team.folder / f"{number}.jsonl")
    print(f"{time.monotonic() - start:.0f} s for {COMMITS} commits\n{done.stdout}")
    return made


def replace(old: Path, new: Path) -> None:
    shutil.rmtree(old)
    shutil.copytree(new, old)


def test_the_history_dates_the_slowdown_to_the_seventh_commit(
    team: Team, commits: list[str]
) -> None:
    team.git("fetch", "-q", "origin", "model-history")
    team.git("worktree", "add", "-q", "--detach", "kept", "FETCH_HEAD")
    (series,) = team.json("history", "kept")["series"]
    assert (series["profile"], series["branch"]) == ("regression-history", "main")
    (metric,) = [row for row in series["metrics"] if row["metric"] == "latency_p50_ratio"]
    assert [point["commit"] for point in metric["points"]] == commits
    (change,) = metric["changes"]
    assert change["commit"] == commits[SLOWER - 1]
    assert change["worse"] is True
    assert change["lower"] > 1.1
    others = {row["metric"]: row["changes"] for row in series["metrics"]}
    assert others["accuracy_retention"] == []
    assert team.git("ls-tree", "--name-only", "origin/main").split() == [
        *(".gitignore", "ci", "data", "models"),
    ]


def test_the_stored_samples_of_several_commits_are_one_verdict(
    team: Team, commits: list[str]
) -> None:
    files = [str(team.folder / f"{number}.jsonl") for number in range(1, SLOWER)]
    done = team.run("edgepress", "judge", *files, "--profile", "regression", "--json")
    assert done.returncode in (0, 3), done.stderr  # the released model is the same one
    slow = [str(team.folder / f"{number}.jsonl") for number in range(SLOWER, COMMITS + 1)]
    done = team.run("edgepress", "judge", *slow, "--profile", "regression", "--json")
    assert done.returncode == 1, done.stdout
    done = team.run("edgepress", "judge", files[0], slow[0])
    assert (done.returncode, done.stdout) == (2, "")
    assert "the model is" in done.stderr


def test_a_red_pull_request_turns_green_in_one_comment(team: Team, commits: list[str]) -> None:
    base, candidate = team.folder / "base", team.place / "models" / "classifier"
    shutil.copytree(team.place / "models" / "released", base)
    with serving(Api()) as api:
        job = github(api, team.folder)
        red = gated(team, base, job)
        assert red.returncode == 1, red.stdout + red.stderr
        (first,) = api.bodies
        assert "### ✗ edgepress gate: FAIL" in first
        assert "latency_p50_ratio" in first.replace("\\", "")
        replace(candidate, base)
        green = gated(team, base, job)
        assert green.returncode in (0, 3), green.stdout + green.stderr
        (second,) = api.bodies
        assert ("PASS" if green.returncode == 0 else "INCONCLUSIVE") in second.splitlines()[1]
        assert first.splitlines()[0] == second.splitlines()[0]


def gated(
    team: Team, base: Path, job: Mapping[str, str | None]
) -> subprocess.CompletedProcess[str]:
    """Gate the pull request's model, and comment whatever comes of it."""
    done = team.run("ci/gate.sh", "models/classifier", "data/test.csv", str(base))
    told = team.run("edgepress", "comment", "gate/comment.md", env=job)
    assert told.returncode == 0, told.stderr
    return done

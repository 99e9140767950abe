"""A whole run on a tiny model: its files, its output, and that a kill changes nothing."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from runtimes.artifact import read_artifact
from tests.compress.tiny_run import start, write_inputs


class Finished:
    """Hold one finished run."""

    def __init__(self, folder: Path) -> None:
        self.inputs = folder
        self.recipe = write_inputs(folder)
        self.out = folder / "out"
        self.cache = folder / "cache"
        begun = time.monotonic()
        process = start(self.recipe, self.out, self.cache)
        self.stdout, self.stderr = process.communicate(timeout=600)
        self.seconds = time.monotonic() - begun
        self.code = process.returncode
        assert self.code in (0, 1, 3), self.stderr

    @property
    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.out / "report.json").read_text())
        return content


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("run"))


def digests(out: Path) -> dict[str, str]:
    """Return the digest of every artifact of a run, the bundle's files among them."""
    return {
        path.parent.name: read_artifact(path.parent).digest
        for path in sorted(out.glob("*/artifact.json"))
    }


def test_every_stage_has_a_row_with_figures(finished: Finished) -> None:
    rows = finished.report["stages"]
    assert [row["kind"] for row in rows] == [
        *("finetune", "distill", "prune", "quantize", "quantize")
    ]
    for row in rows:
        assert row["parameters"] > 0
        assert row["size_mb"] > 0
        assert 0 <= row["accuracy"] <= 1
        assert row["latency_p50_ms"] > 0
    assert sum(row["selected"] for row in rows) == 1
    assert sum(row["teacher"] for row in rows) == 1


def test_the_summary_compares_the_model_with_the_teacher(finished: Finished) -> None:
    summary = finished.report["summary"]
    teacher, model = summary["teacher"], summary["model"]
    assert teacher["precision"] == "fp32"
    assert teacher["runtime"] == model["runtime"] == "onnxruntime"
    assert model["precision"] == "int8"
    assert summary["compression"] == pytest.approx(teacher["size_mb"] / model["size_mb"], rel=1e-3)
    assert summary["retention"]["lower"] <= summary["retention"]["value"]
    assert teacher["accuracy"] > 0.5, "the tiny teacher learned nothing"


def test_the_exit_code_is_the_verdict(finished: Finished) -> None:
    codes = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3, "WRONG_DEVICE": 4}
    assert codes[finished.report["verdicts"][0]["status"]] == finished.code


def test_it_prints_the_table_and_where_the_results_are(finished: Finished) -> None:
    for text in ("finetune", "distill", "report.html", "bundle", "took "):
        assert text in finished.stdout
    assert (finished.out / "report.html").read_text().startswith("<!doctype html>")
    assert (finished.out / "report.md").is_file()


def test_every_stage_says_what_its_model_scores_on_validation(finished: Finished) -> None:
    line = re.compile(r"  validation ([\d.]+)% of [\d,]+ rows(, .* the teacher's)?$", re.MULTILINE)
    said = line.findall(finished.stderr)
    assert len(said) == 6, finished.stderr  # not of an export that is measured in another's place
    trained = finished.report["stages"][0]["metrics"]["validation_accuracy"]
    assert float(said[0][0]) == pytest.approx(100 * trained, abs=0.1)
    assert [bool(beside) for _, beside in said] == [False, *[True] * (len(said) - 1)]


def test_the_last_line_is_a_command_that_runs_the_bundle(finished: Finished) -> None:
    name, command = finished.stdout.splitlines()[-1].split(maxsplit=1)
    assert name == "next"
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("class ")


def test_no_path_of_this_machine_is_left_in_the_results(finished: Finished) -> None:
    for path in finished.out.rglob("*/*.json"):
        assert str(finished.inputs) not in path.read_text(), path
    report = {key: value for key, value in finished.report.items() if key != "command"}
    assert str(finished.inputs) not in json.dumps(report)
    assert str(finished.inputs).encode() not in (finished.out / "bundle/model.onnx").read_bytes()


def test_the_bundle_runs_alone(finished: Finished, tmp_path: Path) -> None:
    bundle = shutil.copytree(finished.out / "bundle", tmp_path / "bundle")
    code = (
        "import sys, runpy\n"
        "for name in ('torch', 'transformers', 'compress', 'profiles'):\n"
        "    sys.modules[name] = None\n"
        f"sys.argv = ['predict.py', 'my card was charged twice']\n"
        f"runpy.run_path({str(bundle / 'predict.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, cwd="/"
    )
    label, score = done.stdout.strip().split("\t")
    assert label in ("class a", "class b", "class c"), done.stderr
    assert 0 < float(score) <= 1


def test_a_second_run_takes_every_stage_from_the_cache(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = digests(finished.out)
    monkeypatch.setenv("EDGEPRESS_CACHE", str(finished.cache))
    code = run(
        ["run", str(finished.recipe), "--out", str(finished.out), "--tier", "quick", "--json"]
    )
    report = json.loads(capsys.readouterr().out)
    assert code in (0, 1, 3)
    assert all(row["cached"] for row in report["stages"])
    assert digests(finished.out) == before


def test_a_damaged_cache_entry_is_made_again(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = shutil.copytree(finished.cache, tmp_path / "cache")
    for weights in cache.glob("stages/*/model.onnx"):
        weights.write_bytes(weights.read_bytes()[:-7])
    monkeypatch.setenv("EDGEPRESS_CACHE", str(cache))
    out = tmp_path / "out"
    assert run(["run", str(finished.recipe), "--out", str(out), "--tier", "quick"]) in (0, 1, 3)
    assert digests(out) == digests(finished.out)


def killed(process: subprocess.Popen[str], after_s: float) -> bool:
    """Kill a process after a while; return whether it was still running."""
    try:
        process.communicate(timeout=after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_digests(
    finished: Finished, tmp_path: Path
) -> None:
    source = random.Random(3)
    out, cache = tmp_path / "out", tmp_path / "cache"
    kills = 0
    for _ in range(3):
        kills += killed(
            start(finished.recipe, out, cache), finished.seconds * source.uniform(0.2, 0.8)
        )
    process = start(finished.recipe, out, cache)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode in (0, 1, 3), stderr
    assert kills > 0
    assert digests(out) == digests(finished.out)


@pytest.mark.parametrize(
    "moment", [pytest.param(at, marks=[pytest.mark.slow] if at != 5 else []) for at in range(10)]
)
def test_a_run_killed_at_a_random_moment_resumes_to_the_same_digests(
    finished: Finished, tmp_path: Path, moment: int
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    share = (moment + random.Random(moment).random()) / 10
    killed(start(finished.recipe, out, cache), finished.seconds * share)
    process = start(finished.recipe, out, cache)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode in (0, 1, 3), stderr
    assert digests(out) == digests(finished.out)
    assert not list(out.glob(".*")), "half-made folders were left"

"""docs/gate.md is complete, and the CI recipes beside it work."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from junitparser import JUnitXml

from compress.cli.main import edgepress
from compress.judge.stored_session import Heading
from compress.judge.tiers import TIERS
from profiles.budget import METRICS, SERVER, THROUGHPUT, Budget, Waiver, metric_named
from profiles.gate import Status
from runtimes.samples import Block, ColdStart, IdleRuns, ServerRuns, Throughput
from tests.compress.report import gate_fixture
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

pytestmark = pytest.mark.measured

ROOT = Path(__file__).parents[3]
CI = ROOT / "docs" / "ci"
GATE = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
WORKFLOW = CI / "github-actions.yml"
JOB = CI / "gitlab-ci.yml"
SCRIPT = CI / "gate.sh"
HISTORIES = (CI / "github-history.yml", CI / "gitlab-history.yml")
KEEPER = CI / "history.sh"


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading of docs/gate.md, without its head."""
    section = re.split(rf"^#+ {re.escape(heading)}$", GATE, flags=re.MULTILINE)[1]
    lines = re.split(r"^#", section, flags=re.MULTILINE)[0].splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("|--"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def documented_metrics() -> dict[str, tuple[str, ...]]:
    return {names(row[0])[0]: tuple(row[1:5]) for row in table("Metrics")}


def test_each_metric_has_a_row_and_each_row_is_a_metric() -> None:
    rows = documented_metrics()
    throughput = rows.pop("throughput_bB_cC_rows_per_s")
    server = rows.pop("server_latency_P_at_R_per_s_ms")
    assert rows.keys() == METRICS.keys()
    forms = {
        "throughput_b8_c2_rows_per_s": throughput,
        "server_latency_p99_at_50_per_s_ms": server,
    }
    for metric, said in {**rows, **forms}.items():
        kind = metric_named(metric)
        assert kind is not None
        bound = "yes" if kind.machine_bound else "no"
        unit = kind.unit or "the label's"
        assert said == (unit, kind.side, kind.against or "–", bound), metric


def test_the_throughput_form_takes_what_is_said_of_it() -> None:
    assert "`throughput_b8_c2_rows_per_s`; B to 9999, C to 999" in GATE
    assert THROUGHPUT.fullmatch("throughput_b9999_c999_rows_per_s")
    for beyond in ("b10000_c1", "b1_c1000", "b0_c1", "b1_c0"):
        assert not THROUGHPUT.fullmatch(f"throughput_{beyond}_rows_per_s")


def test_the_server_form_takes_what_is_said_of_it() -> None:
    assert "`server_latency_p99_at_50_per_s_ms`, from" in GATE
    assert "R to 99999" in GATE
    assert SERVER.fullmatch("server_latency_p90_at_99999_per_s_ms")
    for beyond in ("p95_at_50", "p99_at_0", "p99_at_100000"):
        assert not SERVER.fullmatch(f"server_latency_{beyond}_per_s_ms")


def test_what_is_said_of_a_queue_is_what_is_measured() -> None:
    seconds = {name: tier.plan.server_s for name, tier in TIERS.items()}
    assert seconds == {"quick": 2.0, "ci": 2.0, "release": 6.0, "soak": 2.0}
    assert "2 s (6 s in tier `release`), and the first quarter is left out" in GATE


def test_each_key_of_a_budget_is_documented_with_its_default() -> None:
    said = {name: row[1] for row in table("Budgets") for name in names(row[0])}
    keys = {name for name in Budget.model_fields if name != "metric"}
    assert said.keys() == keys | {f"waiver.{name}" for name in Waiver.model_fields}
    assert said["level"] == f'`"{Budget.model_fields["level"].default}"`'
    assert said["confidence"] == str(Budget.model_fields["confidence"].default)


def test_the_budgets_shown_are_valid() -> None:
    import tomllib

    block = GATE.split("```toml\n")[1].split("```")[0]
    for metric, row in tomllib.loads(block)["budgets"].items():
        Budget.model_validate({"metric": metric, **row})


def test_each_status_is_documented_with_its_exit_code() -> None:
    said = {names(row[0])[0]: int(row[1]) for row in table("Statuses and exit codes")}
    assert said == {status.value: status.exit_code for status in Status}


def test_each_tier_is_documented_with_its_looks_and_blocks() -> None:
    said = {names(row[0])[0]: row[1:3] for row in table("Tiers")}
    assert said == {
        name: [", ".join(map(str, tier.looks)), f"{tier.plan.blocks} × {tier.plan.block_runs}"]
        for name, tier in TIERS.items()
    }


def keys_of(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield the paths of a report's keys, except those that other tables describe."""
    for key, inner in value.items():
        path = f"{prefix}{key}"
        if not isinstance(inner, list):
            yield path
        elif inner and isinstance(inner[0], dict) and key != "figures":
            yield f"{path}[]"
            yield from keys_of(inner[0], f"{path}[].")
        else:
            yield f"{path}[]"


def test_each_key_of_the_json_is_documented() -> None:
    reports = [report.to_json() for report in gate_fixture.EVERY.values()]
    there = {path for report in reports for path in keys_of(report)}
    there -= {f"{path[:-2]}" for path in there if path.endswith("[]")}
    said = {path for row in table("Keys of --json") for path in names(row[0])}
    assert said == there


def test_each_key_of_a_measurement_is_documented() -> None:
    tail = GATE.split("\nA measurement:\n")[1].split("\n#")[0]
    said = set(re.findall(r"`([^`]+)`", "\n".join(re.findall(r"^\|([^|]+)", tail, re.MULTILINE))))
    measured = gate_fixture.measurement().to_json()
    assert said == measured.keys()
    assert all(f"`{key}`" in tail for key in measured["source"])


def test_the_keys_of_sample_lines_are_documented() -> None:
    said = {
        name: set(names(row[1])) for row in table("Lines of --samples") for name in names(row[0])
    }
    said["start"] -= {"first_inference_ms", "version"}
    models: dict[str, Any] = {"start": ColdStart, "block": Block, "throughput": Throughput}
    models["idle"] = IdleRuns
    models["server"] = ServerRuns
    for kind, model in models.items():
        assert said[kind] == {field.name for field in dataclasses.fields(model)}, kind
    assert said["session"] == set(Heading.model_fields) | {"looks"}


@pytest.mark.parametrize(
    "option", ["json", "junit", "markdown", "comment", "github", "history", "samples"]
)
def test_each_output_is_documented(option: str) -> None:
    assert any(names(row[0])[0].split()[0] == f"--{option}" for row in table("Outputs"))


def command_lines() -> Iterator[tuple[str, str]]:
    """Yield every `edgepress …` of the documents, with the file that it stands in."""
    for block in re.findall(r"```sh\n(.*?)```", GATE, re.DOTALL):
        yield from (("gate.md", line) for line in block.splitlines() if line.startswith("edge"))
    for span in re.findall(r"`(edgepress [^`]+)`", GATE):
        yield "gate.md", span
    for path in (WORKFLOW, JOB, *HISTORIES):
        for step in runs(yaml.safe_load(path.read_text(encoding="utf-8"))):
            yield from ((path.name, line) for line in step.splitlines() if "edgepress " in line)
        for span in re.findall(r"`(edgepress [^`]+)`", path.read_text(encoding="utf-8")):
            yield path.name, span
    for path in (SCRIPT, KEEPER):
        script = path.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = (line.strip() for line in script.splitlines())
        yield from ((path.name, line) for line in lines if line.startswith("edgepress "))


def runs(value: Any) -> Iterator[str]:
    """Yield what a workflow's `run` and a job's scripts say."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "run":
                yield inner
            elif str(key).endswith("script"):
                yield from inner
            else:
                yield from runs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from runs(inner)


def parsed(line: str) -> list[str]:
    """Check a command line against the commands that exist, and return its options."""
    words = shlex.split(line.split("||")[0], comments=True)
    words = words[words.index("edgepress") + 1 :]
    command: click.Command = edgepress
    while isinstance(command, click.Group) and words and words[0] != "…":
        inner = command.get_command(click.Context(command), words[0])
        assert inner is not None, f"{line}: no command {words[0]!r}"
        command, words = inner, words[1:]
    known = {name: option for option in command.params for name in option.opts}
    used = [word for word in words if re.match(r"--?[a-z]", word) and word != "--help"]
    for option in used:
        assert option in known, f"{line}: no option {option!r}"
    for option, value in itertools.pairwise(words):
        kind = known[option].type if option in used else None
        if isinstance(kind, click.Choice) and "$" not in value:
            assert value in kind.choices, f"{line}: {option} {value}"
    return used


@pytest.mark.parametrize(("place", "line"), sorted(set(command_lines())))
def test_every_command_line_of_the_documents_exists(place: str, line: str) -> None:
    parsed(line)


def test_each_recipe_and_the_page_has_a_gate_in_it() -> None:
    gated = {place for place, line in command_lines() if "edgepress gate " in line}
    assert gated == {"gate.md", "gate.sh", "history.sh", "github-actions.yml", "gitlab-ci.yml"}


def test_a_command_line_that_is_wrong_would_be_found() -> None:
    for wrong in ("edgepress gat m", "edgepress gate m --bogus", "edgepress gate m --tier fast"):
        with pytest.raises(AssertionError):
            parsed(wrong)


def test_the_workflow_is_safe_to_run_on_any_pull_request() -> None:
    flow = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert set(flow[True]) == {"pull_request"}  # YAML 1.1 reads the key `on` as true
    assert flow["permissions"] == {"contents": "read"}
    assert flow["concurrency"]["cancel-in-progress"] is True
    steps = flow["jobs"]["gate"]["steps"]
    assert flow["jobs"]["gate"]["timeout-minutes"] <= 60
    for step in steps:
        if "checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", "")  # else a branch's name could run as a command
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", s["uses"]) for s in steps if "uses" in s)


def test_a_job_has_no_more_rights_than_it_uses() -> None:
    steps = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["gate"]
    assert steps["permissions"] == {"contents": "read", "pull-requests": "write"}
    holding = [step["name"] for step in steps["steps"] if "GITHUB_TOKEN" in step.get("env", {})]
    assert holding == ["Comment on the pull request"]
    flow = yaml.safe_load(HISTORIES[0].read_text(encoding="utf-8"))
    assert (flow[True], flow["permissions"]) == (
        {"push": {"branches": ["main"], "paths": ["models/**", "data/**", "constraints.txt"]}},
        {"contents": "write"},
    )
    assert flow["concurrency"]["cancel-in-progress"] is False


def test_the_workflow_keeps_its_reports_when_the_gate_fails() -> None:
    steps = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["gate"]["steps"]
    gate = next(step for step in steps if "edgepress gate" in step.get("run", ""))
    keep = steps[steps.index(gate) + 1]
    assert keep["uses"].startswith("actions/upload-artifact@")
    assert keep["if"] == "${{ !cancelled() }}"
    assert keep["with"]["path"] == "gate/"
    assert {"--github", "--junit", "--reference"} <= set(parsed(gate["run"]))
    assert "gate/junit.xml" in gate["run"]


def test_the_job_reports_junit_and_lets_only_the_undecided_through() -> None:
    job = yaml.safe_load(JOB.read_text(encoding="utf-8"))["model-gate"]
    assert job["artifacts"]["when"] == "always"
    junit = job["artifacts"]["reports"]["junit"]
    assert f"--junit {junit}" in job["script"][-1]
    assert job["allow_failure"] == {"exit_codes": Status.INCONCLUSIVE.exit_code}
    assert job["rules"][0]["if"] == '$CI_PIPELINE_SOURCE == "merge_request_event"'


def test_every_recipe_installs_this_version_within_the_constraints() -> None:
    wanted = f"edgepress=={version('edgepress')}"
    for path in (WORKFLOW, JOB, *HISTORIES):
        flow = yaml.safe_load(path.read_text(encoding="utf-8"))
        installs = [line for line in runs(flow) if "pip install" in line]
        assert installs == [f"python -m pip install --constraint constraints.txt {wanted}"]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make `model`, its `copy` and rows, and put an `edgepress` of this checkout into `bin`."""
    folder = tmp_path_factory.mktemp("recipe with a space")
    tiny_onnx(folder / "model")
    shutil.copytree(folder / "model", folder / "copy")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 8)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    command = folder / "bin" / "edgepress"
    command.parent.mkdir()
    start = "from compress.cli.main import main; main()"
    command.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c '{start}' \"$@\"\n")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return folder


EASY = [
    word
    for limit in ("latency_p50_ratio=20", "latency_p90_ratio=50", "rss_peak_ratio=3")
    for word in ("--budget", limit)
] + ["--budget", "accuracy_retention=0.3"]
"""Met by a model beside its own copy, however busy the machine."""


def script(ground: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    path = f"{ground / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(SCRIPT), *arguments],
        cwd=ground,
        env={**kept, "PYTHONPATH": str(ROOT), "PATH": path, "GATE_TIER": "quick", **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_script_lets_a_copy_of_the_reference_pass(ground: Path) -> None:
    summary = ground / "summary.md"
    done = script(
        ground, "model", "rows.csv", "copy", "--", *EASY, GITHUB_STEP_SUMMARY=str(summary)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("✓ PASS on regression")
    assert done.stderr.endswith("gate.sh: pass\n")
    assert "repeat: edgepress gate model --data rows.csv" in done.stdout
    assert JUnitXml.fromfile(str(ground / "gate" / "junit.xml")).failures == 0
    assert "latency" in (ground / "gate" / "gate.md").read_text(encoding="utf-8")
    assert "regression" in summary.read_text(encoding="utf-8")


def test_the_script_fails_what_is_over_its_budget(ground: Path) -> None:
    strict = ("--", "--budget", "artifact_mb=0.001", "--unlabeled")
    done = script(ground, "model", "rows.csv", *strict, GATE_OUT="elsewhere")
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.endswith("gate.sh: fail: a budget is broken\n")
    assert JUnitXml.fromfile(str(ground / "elsewhere" / "junit.xml")).failures == 1
    assert "artifact" in (ground / "elsewhere" / "gate.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give a model and rows"),
        (["model"], "give a model and rows"),
        (["model", "rows.csv", "nowhere"], "nowhere: neither the folder of a model"),
        (["model", "rows.csv", "copy", "--tier"], "--tier: options of edgepress gate come after"),
        (["model", "rows.csv"], "nothing to gate on"),
        (["nowhere", "rows.csv", "copy"], "nowhere"),
        (["model", "nowhere.csv", "copy"], "nowhere.csv"),
        (["model", "rows.csv", "rows.csv"], "not JSON"),
        (["model", "rows.csv", "--", "--budget", "bogus=1"], "unknown metric 'bogus'"),
    ],
)
def test_the_script_hands_bad_input_back(ground: Path, arguments: list[str], said: str) -> None:
    before = sorted(ground.rglob("*"))
    done = script(ground, *arguments, GATE_OUT="refused")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert sorted(ground.rglob("*")) == before


def test_the_script_needs_edgepress(ground: Path) -> None:
    done = script(ground, "model", "rows.csv", "copy", PATH="/usr/bin:/bin")
    assert done.returncode == 2
    assert "edgepress is not on PATH" in done.stderr


def test_the_script_has_a_line_for_each_exit_code() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert set(re.findall(r"^  (\d)\) said=", text, re.MULTILINE)) == set("012345")

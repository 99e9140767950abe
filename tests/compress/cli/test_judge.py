"""`edgepress judge`: stored samples are judged as the gate that measured them judged."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compress.judge.tiers import TIERS
from runtimes.facts import Facts
from tests.compress.cli.test_gate import Said, command
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

pytestmark = pytest.mark.measured

BUDGETS = (
    *("--budget", "latency_p50_ratio=20", "--budget", "latency_p90_ratio=50"),
    *("--budget", "rss_peak_ratio=3", "--budget", "accuracy_retention=0.3"),
    *("--budget", "f1_macro=0.999", "--budget", "cold_start_p50_ms=60000"),
)
"""Decided at the first look, however busy the machine: f1_macro fails, all others pass."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a model, its copy, a larger one and rows; stand beside them."""
    folder = tmp_path_factory.mktemp("judge")
    tiny_onnx(folder / "model")
    tiny_onnx(folder / "larger", layers=3)
    shutil.copytree(folder / "model", folder / "copy")
    for name, texts in (("rows", TEXTS * 8), ("others", TEXTS[1:] * 8)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            rows = [(text, LABELS[i % 3]) for i, text in enumerate(texts)]
            csv.writer(stream).writerows([("text", "label"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRESS_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        yield folder


Gate = Callable[..., Said]


@pytest.fixture(scope="module")
def gate(ground: Path) -> Gate:
    """Run a gate at the quick tier, and keep its samples in a file."""

    def call(file: str, candidate: str, *arguments: str, rows: str = "rows.csv") -> Said:
        options = ("--data", rows, "--tier", "quick", "--samples", file, "--json", "-q")
        return command("gate", candidate, *options, *arguments)

    return call


@pytest.fixture(scope="module")
def first(gate: Gate) -> Said:
    """Gate the model beside its copy, in one look; the samples are in `first.jsonl`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TIERS, "quick", replace(TIERS["quick"], looks=(3,)))
        return gate("first.jsonl", "model", "--reference", "copy", *BUDGETS)


@pytest.fixture(scope="module")
def second(gate: Gate) -> Said:
    """Gate them once more; the samples are in `second.jsonl`."""
    return gate("second.jsonl", "model", "--reference", "copy", *BUDGETS)


def judged(*arguments: str) -> Said:
    return command("judge", *arguments, "--json", "-q")


def test_a_gate_of_one_look_and_its_samples_have_one_verdict(first: Said) -> None:
    said = judged("first.jsonl", *BUDGETS)
    assert first.report["looks"] == said.report["looks"] == 1
    assert (first.code, said.code) == (1, 1)
    mine, theirs = (one.report["verdicts"][0] for one in (said, first))
    assert {row["status"] for row in mine["checks"]} >= {"PASS", "FAIL"}
    for row in (*mine["checks"], *theirs["checks"]):
        if row["status"] == "FAIL":
            del row["why"]  # the gate has the model at hand, and explains its figure
        del row["advice"]
    assert mine == theirs
    assert said.report["machine"] == first.report["machine"]


def test_every_figure_read_back_is_the_one_measured(first: Said) -> None:
    said = judged("first.jsonl", *BUDGETS)
    assert said.report["models"] == first.report["models"]


def test_other_budgets_need_no_new_measurement(first: Said) -> None:
    said = judged("first.jsonl", "--budget", "artifact_mb=0.0001")
    assert said.code == 1
    assert said.check("artifact_mb")["status"] == "FAIL"
    assert said.check("latency_p50_ratio")["measurement"]["samples"] > 0  # `regression` too


def counts(said: Said) -> tuple[int, ...]:
    """Return how many samples and processes a verdict rests on."""
    conditions = said.report["verdicts"][0]["conditions"]
    (found,) = re.findall(r"n=(\d+) in (\d+) processes", conditions)
    return tuple(map(int, found))


def test_pooled_sessions_have_the_samples_of_both(first: Said, second: Said) -> None:
    files = ("first.jsonl", "second.jsonl")
    one, two, both = (judged(*chosen, *BUDGETS) for chosen in (files[:1], files[1:], files))
    n, processes = zip(*(counts(said) for said in (one, two, both)), strict=True)
    assert n[2] == n[0] + n[1]
    assert processes[2] == processes[0] + processes[1]
    assert both.check("f1_macro")["measurement"] == one.check("f1_macro")["measurement"]
    assert both.report["seconds"] == pytest.approx(
        first.report["seconds"] + second.report["seconds"]
    )


def test_files_one_after_the_other_are_as_good(ground: Path, first: Said, second: Said) -> None:
    text = (ground / "first.jsonl").read_text() + (ground / "second.jsonl").read_text()
    (ground / "both.jsonl").write_text(text)
    one, two = judged("both.jsonl", *BUDGETS), judged("first.jsonl", "second.jsonl", *BUDGETS)
    assert one.report["verdicts"] == two.report["verdicts"]


def test_the_files_are_written_as_a_gate_writes_them(ground: Path, first: Said) -> None:
    outputs = ("--junit", "again/junit.xml", "--markdown", "again/gate.md")
    said = command("judge", "first.jsonl", *BUDGETS, *outputs)
    assert said.code == 1
    assert "✗ FAIL on regression" in said.out
    assert "repeat: edgepress" in said.out
    assert "f1_macro" in (ground / "again" / "gate.md").read_text()
    assert "<testsuite" in (ground / "again" / "junit.xml").read_text()


def refused(*arguments: str) -> str:
    said = command("judge", *arguments)
    assert (said.code, said.out) == (2, ""), said.err
    return said.err


def test_one_session_does_not_count_twice(ground: Path, first: Said) -> None:
    shutil.copyfile(ground / "first.jsonl", ground / "again.jsonl")
    assert "it is the session of first.jsonl again" in refused("first.jsonl", "again.jsonl")


@pytest.fixture(scope="module")
def strangers(ground: Path, gate: Gate, first: Said) -> dict[str, str]:
    """Write samples that do not belong to `first.jsonl`; return why not, by file."""
    gate("larger.jsonl", "larger", "--reference", "copy", *BUDGETS)
    gate("beside.jsonl", "model", "--reference", "larger", *BUDGETS)
    gate("alone.jsonl", "model", "--budget", "artifact_mb=9", "--unlabeled")
    gate("rows.jsonl", "model", "--reference", "copy", *BUDGETS, rows="others.csv")
    return {
        "larger.jsonl": "the model is larger",
        "beside.jsonl": "the reference is larger",
        "alone.jsonl": "it measured other rows",
        "rows.jsonl": "it measured other rows",
        changed(ground, "machine"): "it ran on another machine (another processor",
        changed(ground, "version"): "it ran in onnxruntime 0.0.1",
        changed(ground, "transport"): "it was reached by 'ssh'",
    }


def changed(ground: Path, what: str) -> str:
    """Write `first.jsonl` as another session, with something changed; return the file."""
    lines = [json.loads(line) for line in (ground / "first.jsonl").read_text().splitlines()]
    lines[0]["id"] = what
    if what == "machine":
        facts = Facts.from_json(lines[0]["machine"]).to_json()
        lines[0]["machine"] = {**facts, "cpu_model": "another processor"}
    elif what == "version":
        lines = [{**line, **({"version": "0.0.1"} if "version" in line else {})} for line in lines]
    else:
        lines[0]["transport"] = "ssh"
    (ground / f"{what}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"{what}.jsonl"


def test_sessions_that_differ_are_not_pooled(strangers: dict[str, str]) -> None:
    for file, why in strangers.items():
        said = refused("first.jsonl", file)
        assert f"{file} does not fit first.jsonl: {why}" in said
        assert "judge them one by one" in said


def test_samples_without_answers_leave_quality_undecided(strangers: dict[str, str]) -> None:
    said = judged("alone.jsonl", "--profile", "embedded-default")
    assert said.check("accuracy_retention")["status"] == "NOT_MEASURED"
    assert "--budget accuracy: the samples have no answers" in refused(
        "alone.jsonl", "--budget", "accuracy=0.5"
    )
    assert "--budget speedup: the samples have no reference" in refused(
        "alone.jsonl", "--budget", "speedup=1"
    )
    assert "compared with no baseline" in refused(
        "first.jsonl", "--budget", "accuracy_vs_baseline=1"
    )


def test_a_board_s_budget_is_not_judged_by_samples_of_this_machine(first: Said) -> None:
    said = judged("first.jsonl", "--profile", "rpi4")
    assert (said.code, said.report["status"]) == (4, "WRONG_DEVICE")


def test_a_gate_that_was_killed_is_judged_by_what_it_left(ground: Path, first: Said) -> None:
    lines = (ground / "first.jsonl").read_text().splitlines(keepends=True)
    blocks = [place for place, line in enumerate(lines) if '"kind": "block"' in line]
    torn = "".join(lines[: blocks[-3]]) + lines[blocks[-3]][:40]
    (ground / "torn.jsonl").write_text(torn)
    said = command("judge", "torn.jsonl", "--budget", "latency_p50_ratio=20", "--unlabeled")
    assert said.code in (0, 3), said.err
    assert "torn.jsonl was stopped before its end" in said.err


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("", "does not begin with a session's first line"),
        ('{"kind": "block", "variant": "candidate"}\n', "does not begin with a session"),
        ("words\nwords\n", "line 1 is not JSON"),
        ('{"kind": "session"}\n', "its first line: schema_version: field required"),
        ('{"a": 1}\n', "line 1 has no `kind`"),
    ],
)
def test_a_file_that_is_none_is_refused(ground: Path, content: str | None, why: str) -> None:
    if content is not None:
        (ground / "bad.jsonl").write_text(content)
    said = refused("bad.jsonl" if content is not None else "nowhere.jsonl")
    assert why in said
    assert "edgepress gate --samples" in said


@pytest.mark.parametrize("kind", ["block", "answers", "start", "end", "session"])
def test_a_damaged_line_is_refused(ground: Path, first: Said, kind: str) -> None:
    """Take any key out of a line: it is refused, or it was not needed; there is no traceback."""
    lines = [json.loads(line) for line in (ground / "first.jsonl").read_text().splitlines()]
    place = next(n for n, line in enumerate(lines) if line["kind"] == kind)
    for key in lines[place]:
        damaged: list[dict[str, Any]] = [dict(line) for line in lines]
        del damaged[place][key]
        (ground / "damaged.jsonl").write_text("".join(json.dumps(row) + "\n" for row in damaged))
        said = command("judge", "damaged.jsonl", *BUDGETS)
        assert said.code in (0, 1, 2, 3), (key, said.err)
        assert "Error:" not in said.err, (key, said.err)

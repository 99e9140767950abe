"""`edgepress gate` end to end: every exit code, every output, on models made here."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

from compress import progress
from compress.cli.main import run
from profiles.baseline import Baseline, write_baseline
from profiles.budget import METRICS
from profiles.transport import TRANSPORTS
from runtimes.artifact import read_artifact, write_artifact
from tests.compress.brief_tier import shorten
from tests.runtimes.sealed import resealed, rewritten
from tests.runtimes.tiny import LABELS, TEXTS, onnx_graph, tiny_onnx

pytestmark = pytest.mark.measured

PROFILE = """schema = 1
name = "{name}"
{match}
[runtime]
name = "onnxruntime"
providers = ["CPUExecutionProvider"]
threads = 1
[quantization]
scheme = "int8-dynamic"
[budgets]
{budgets}
"""
EASY = """latency_p50_ratio = {max = 20}
latency_p90_ratio = {max = 50}
rss_peak_ratio = {max = 3}
artifact_ratio = {max = 1}
accuracy_retention = {min = 0.3}
latency_p50_vs_baseline = {max = 20, level = "warn"}
artifact_vs_baseline = {max = 1}
"""
"""Met by a model beside its own copy, however busy the machine."""


@dataclass(frozen=True)
class Said:
    """Hold what a command ended with."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.out)
        return content

    def check(self, metric: str, verdict: int = 0) -> dict[str, Any]:
        checks = self.report["verdicts"][verdict]["checks"]
        check: dict[str, Any] = next(row for row in checks if row["metric"] == metric)
        return check


Gate = Callable[..., Said]


def command(*arguments: object) -> Said:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make `model`, its `copy`, rows with and without labels; stand beside them."""
    folder = tmp_path_factory.mktemp("gate")
    tiny_onnx(folder / "model")
    shutil.copytree(folder / "model", folder / "copy")
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 8)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEPRESS_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def gate(ground: Path) -> Gate:
    """Run a gate on the rows at the quick tier."""

    def call(candidate: str, *arguments: object) -> Said:
        return command("gate", candidate, "--data", "rows.csv", "--tier", "quick", *arguments)

    return call


def profile(folder: Path, name: str, budgets: str, match: str = "") -> str:
    (folder / f"{name}.toml").write_text(PROFILE.format(name=name, budgets=budgets, match=match))
    return f"{name}.toml"


@pytest.fixture(scope="module")
def baseline(ground: Path) -> dict[str, Any]:
    """Store the model's own measurement in `own.json`, and return it."""
    rows = ("--data", "rows.csv", "--tier", "quick")
    assert command("baseline", "save", "model", *rows, "--out", "own.json", "-q").code == 0
    content: dict[str, Any] = json.loads((ground / "own.json").read_text())
    return content


@pytest.fixture(scope="module")
def passed(ground: Path, gate: Gate, baseline: dict[str, Any]) -> Said:
    """Gate the model against its copy and its own baseline, with every output."""
    easy = profile(ground, "easy", EASY)
    (ground / "out").mkdir()
    (ground / "out" / "samples.jsonl").write_text('{"kind": "session", "id": "an earlier gate"}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_STEP_SUMMARY", str(ground / "summary.md"))
        patch.setattr(progress, "_PLAIN_EVERY_S", 0.0)  # however short a phase is, it says so
        return gate(
            "model",
            *("--reference", "copy", "--baseline", "own.json", "--profile", easy),
            *("--junit", "new/folder/junit.xml", "--markdown", "out/gate.md", "--github"),
            *("--samples", "out/samples.jsonl", "--json"),
        )


def test_a_model_passes_beside_its_copy(passed: Said) -> None:
    assert passed.code == 0, passed.out
    assert [row["status"] for row in passed.report["verdicts"]] == ["PASS"]
    assert {row["role"] for row in passed.report["models"]} == {"candidate", "reference"}
    assert passed.check("artifact_ratio")["measurement"]["value"] == 1


def test_progress_goes_to_stderr_and_leaves_stdout_to_json(passed: Said) -> None:
    assert passed.report["tier"] == "quick"
    assert "latency" in passed.err


def test_every_check_that_counts_has_bounds_around_its_value(passed: Said) -> None:
    counted = [row for row in passed.report["verdicts"][0]["checks"] if row["counts"]]
    assert len(counted) == 6
    for check in counted:  # a machine that changed its pace has no latency over the baseline's
        figure = check["measurement"]
        assert figure["lower"] <= figure["value"] <= figure["upper"], check["metric"]


def test_the_junit_file_is_read_back_with_a_case_for_each_check(ground: Path, passed: Said) -> None:
    suites = list(JUnitXml.fromfile(str(ground / "new" / "folder" / "junit.xml")))
    cases = [case for suite in suites for case in suite]
    assert len(cases) == len(passed.report["verdicts"][0]["checks"])
    assert all(case.is_passed for case in cases)


def test_the_summary_and_the_markdown_name_every_check(ground: Path, passed: Said) -> None:
    for name in ("summary.md", "out/gate.md"):
        text = (ground / name).read_text(encoding="utf-8").replace("\\", "")
        for check in passed.report["verdicts"][0]["checks"]:
            assert check["metric"] in text, name


def test_samples_are_json_lines_of_both_models(ground: Path, passed: Said) -> None:
    text = (ground / "out" / "samples.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    variants = {line["variant"] for line in lines if "variant" in line}
    assert {"candidate", "reference"} <= variants


def test_the_samples_hold_what_judging_them_takes(ground: Path, passed: Said) -> None:
    text = (ground / "out" / "samples.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    first = lines[0]
    assert (first["kind"], first["judged"], first["reference"]) == (
        "session",
        "candidate",
        "reference",
    )
    models = {row["role"]: row["digest"] for row in passed.report["models"]}
    assert {row["variant"]: row["digest"] for row in first["models"]} == models
    assert first["machine"]["fingerprint"] == passed.report["machine"]["fingerprint"]
    assert len(first["targets"]) == first["rows"] == 48
    assert not any(row in text for row in TEXTS)
    answered = [line["variant"] for line in lines if line["kind"] == "answers"]
    assert sorted(answered) == ["candidate", "reference"]
    assert lines[-1]["kind"] == "end"
    assert lines[-1]["looks"] == passed.report["looks"]


def test_samples_are_kept_where_the_reference_cannot_be_opened(ground: Path, gate: Gate) -> None:
    earlier = '{"kind": "session", "id": "an earlier gate"}\n'
    (ground / "kept.jsonl").write_text(earlier)
    (ground / "broken").mkdir()
    said = gate("model", "--reference", "broken", "--samples", "kept.jsonl")
    assert said.code == 2
    assert (ground / "kept.jsonl").read_text() == earlier


@pytest.fixture(scope="module")
def failed(ground: Path, gate: Gate) -> Said:
    """Gate a model that is too large for four profiles; one of them has no waiver."""
    limit = "artifact_mb = {max = 0.001"
    waiver = ', waiver = {reason = "until the new tokenizer", expires = %s}}'
    named = [
        profile(ground, "strict", limit + "}"),
        profile(ground, "waived", limit + waiver % "2999-12-31"),
        profile(ground, "expired", limit + waiver % "2020-01-31"),
        profile(ground, "warned", limit + ', level = "warn"}'),
    ]
    chosen = [word for name in named for word in ("--profile", name)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_STEP_SUMMARY", str(ground / "failed.md"))
        return gate("model", *chosen, "--unlabeled", "--github", "--json", "-q")


def test_a_broken_budget_ends_in_1(failed: Said) -> None:
    assert (failed.code, failed.report["status"]) == (1, "FAIL")
    assert failed.check("artifact_mb")["distance"] > 0


def test_a_waiver_holds_until_its_day_and_then_counts_again(failed: Said) -> None:
    statuses = {row["profile"]: row["status"] for row in failed.report["verdicts"]}
    assert statuses == {"strict": "FAIL", "waived": "PASS", "expired": "FAIL", "warned": "PASS"}
    waived, expired = failed.check("artifact_mb", 1), failed.check("artifact_mb", 2)
    assert (waived["status"], waived["counts"]) == ("FAIL", False)
    assert waived["lenient"] == "waived until 2999-12-31: until the new tokenizer"
    assert "expired on 2020-01-31" in expired["why"]


def test_annotations_stand_on_stderr_at_the_level_of_what_they_tell(failed: Said) -> None:
    annotations = [line for line in failed.err.splitlines() if line.startswith("::")]
    broken = [line for line in annotations if "artifact_mb" in line]
    levels = [line.split()[0] for line in broken]
    assert levels == ["::error"] * 2 + ["::warning"] * 2
    assert all("on strict" in line or "on expired" in line for line in broken[:2])


def test_unlabeled_rows_measure_no_accuracy(failed: Said) -> None:
    metrics = {figure["metric"] for figure in failed.report["models"][0]["figures"]}
    assert not metrics & {"accuracy", "f1_macro", "accuracy_retention"}


@pytest.mark.parametrize(("policy", "code"), [("fail", 3), ("warn", 0), ("pass", 0)])
def test_what_stays_undecided_is_for_the_user_to_weigh(
    ground: Path, gate: Gate, policy: str, code: int
) -> None:
    there = profile(ground, "compares", "speedup = {min = 2}\n")
    said = gate("model", "--profile", there, "--inconclusive", policy)
    assert said.code == code
    assert said.out.startswith("? INCONCLUSIVE on compares")
    assert "needs --reference" in said.out
    assert ("--inconclusive warn lets it pass" in said.err) == (policy == "warn")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (("speedup=2",), "speedup without --reference"),
        (("artifact_vs_baseline=1.1",), "artifact_vs_baseline without --baseline"),
        (("artifact_mb=2", "artifact_mb=3"), "artifact_mb is given twice"),
    ],
)
def test_typed_budgets_that_cannot_be_are_refused_at_once(
    gate: Gate, typed: tuple[str, ...], says: str
) -> None:
    said = gate("model", *(part for budget in typed for part in ("--budget", budget)))
    assert said.code == 2
    assert says in said.err


def test_another_device_ends_in_4_but_sizes_are_judged(ground: Path, gate: Gate) -> None:
    budgets = "latency_p50_ms = {max = 0.0001}\nartifact_mb = {max = 100}\n"
    there = profile(ground, "there", budgets, '[match]\ndevice_tree_model = "Raspberry Pi 5*"')
    said = gate("model", "--profile", there, "--json")
    assert (said.code, said.report["status"]) == (4, "WRONG_DEVICE")
    assert "in 1 process " in said.report["verdicts"][0]["conditions"]
    assert said.check("latency_p50_ms")["status"] == "WRONG_DEVICE"
    assert said.check("artifact_mb")["status"] == "PASS"


def test_a_device_out_of_reach_ends_in_4_before_anything_is_measured(
    ground: Path, gate: Gate
) -> None:
    board = '[transport]\nkind = "ssh"\nhost = "${BOARD}"'
    there = profile(ground, "board", "artifact_mb = {max = 100}\n", board)
    said = gate("model", "--profile", "local", "--profile", there, "--samples", "none.jsonl")
    assert said.code == 4
    assert "it is reached by 'ssh', and the variable BOARD is not set" in said.err
    assert not (ground / "none.jsonl").exists()


def test_a_device_that_a_second_profile_names_is_measured_too(
    ground: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "tests.profiles.elsewhere:Elsewhere"
    monkeypatch.setitem(TRANSPORTS.rows, "elsewhere", row)
    board = f'[transport]\nkind = "elsewhere"\nhost = "{ground / "board"}"'
    mine = profile(ground, "mine", "artifact_mb = {max = 100}\n")
    there = profile(ground, "there", "artifact_mb = {max = 100}\n", board)
    said = gate("model", "--profile", mine, "--profile", there, "--json")
    assert said.code == 0
    assert [row["status"] for row in said.report["verdicts"]] == ["PASS", "PASS"]
    assert [row["transport"] for row in said.report["devices"]] == ["local", "elsewhere"]
    assert (ground / "board").is_dir()


def test_a_device_that_a_transport_reaches_is_gated_on(
    ground: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "tests.profiles.elsewhere:Elsewhere"
    monkeypatch.setitem(TRANSPORTS.rows, "elsewhere", row)
    board = f'[transport]\nkind = "elsewhere"\nhost = "{ground / "board"}"'
    shorten(monkeypatch)  # too few processes for a latency: it is measured there, and only warns
    budgets = 'latency_p50_ratio = {max = 20, level = "warn"}\naccuracy_retention = {min = 0.3}\n'
    there = profile(ground, "reached", budgets, board)
    said = gate("model", "--reference", "copy", "--profile", there, "--json")
    assert (said.code, said.report["status"]) == (0, "PASS")
    figures = {row["metric"]: row["value"] for row in said.report["models"][0]["figures"]}
    assert figures["latency_p50_ms"] > 0
    assert list((ground / "board").glob("*/runtimes/serve.py"))


def test_the_worst_class_alone_has_the_rows_classified(ground: Path, gate: Gate) -> None:
    there = profile(ground, "worst", "worst_class_retention = {min = 0.01}\n")
    said = gate("model", "--reference", "copy", "--profile", there, "--json")
    check = said.check("worst_class_retention")
    assert check["status"] == "INCONCLUSIVE"
    assert "under 20 rows" in check["measurement"]["why"] + check["why"]


def lacking(folder: Path, tokens: int) -> None:
    """Make a model that loads, and raises at the first unknown token."""
    import onnx
    from onnx import numpy_helper

    shutil.copytree(folder.parent / "model", folder)
    graph = onnx_graph()
    table = next(row for row in graph.graph.initializer if row.name == "table")
    known = numpy_helper.to_array(table)[:tokens].copy()
    table.CopyFrom(numpy_helper.from_array(known, "table"))
    onnx.save(graph, folder / "model.onnx")
    artifact = read_artifact(folder)
    kept = ("format", "precision", "task", "labels", "max_length", "inputs", "outputs")
    stated = {name: getattr(artifact, name) for name in kept}
    write_artifact(folder, **stated, parameters=1, model_type="bert")


@pytest.fixture(scope="module")
def crashed(ground: Path, gate: Gate) -> Said:
    lacking(ground / "faulty", tokens=4)
    return gate("faulty", "--reference", "copy", "--junit", "crashed.xml", "--json", "-q")


def test_a_model_that_raises_ends_in_5_with_its_last_words(crashed: Said) -> None:
    assert crashed.code == 5
    (fault,) = crashed.report["faults"]
    assert fault["model"] == "candidate"
    assert "indices element out of data bounds" in fault["said"]


def test_after_a_crash_the_rest_of_the_report_stands(crashed: Said) -> None:
    models = {row["role"]: row["figures"] for row in crashed.report["models"]}
    figures = {row["metric"]: row["value"] for row in models["reference"]}
    assert figures["latency_p50_ms"] > 0
    assert figures["accuracy"] >= 0
    assert crashed.check("artifact_ratio")["status"] == "PASS"
    assert crashed.check("latency_p50_ratio")["status"] == "NOT_MEASURED"


def test_a_crash_is_told_in_one_line_at_each_check(crashed: Said) -> None:
    why = crashed.check("latency_p50_ratio")["why"]
    assert why.startswith("the process failed")
    assert "\n" not in why


def test_a_crash_is_an_error_in_the_junit_file(ground: Path, crashed: Said) -> None:
    assert JUnitXml.fromfile(str(ground / "crashed.xml")).errors == 1


def test_a_row_that_a_model_raises_on_is_a_fault_beside_what_was_measured(
    ground: Path, gate: Gate
) -> None:
    lacking(ground / "rare", tokens=68)  # all but the one of "az" that is not in the other rows
    rows = "".join(f"{text},{LABELS[0]}\n" for text in [*TEXTS * 200, "az"])
    (ground / "rare.csv").write_text(f"text,label\n{rows}")
    said = gate("rare", "--data", "rare.csv", "--budget", "accuracy=0.1", "--json")
    assert said.code == 5
    assert "indices element out of data bounds" in said.report["faults"][0]["said"]
    figures = {row["metric"]: row["value"] for row in said.report["models"][0]["figures"]}
    assert figures["latency_p50_ms"] > 0
    assert said.check("accuracy")["status"] == "NOT_MEASURED"


def test_a_baseline_of_another_machine_only_warns(
    ground: Path, gate: Gate, baseline: dict[str, Any]
) -> None:
    stored = {key: value for key, value in baseline.items() if key != "baseline_digest"}
    light = {**stored, "rss_peak_mb": [1.0] * len(baseline["rss_peak_mb"])}
    foreign = {**light["machine"], "fingerprint": "another", "cpu_model": "Cortex-A76"}
    write_baseline(ground / "light.json", Baseline.model_validate(light))
    write_baseline(ground / "foreign.json", Baseline.model_validate({**light, "machine": foreign}))
    here, there = (
        gate("model", "--baseline", name, "--unlabeled", "--json")
        for name in ("light.json", "foreign.json")
    )
    assert (here.code, there.code) == (1, 0), there.err + there.out[:3000]
    assert here.check("rss_peak_vs_baseline")["status"] == "FAIL"
    assert not there.check("rss_peak_vs_baseline")["counts"]
    assert "of another machine (Cortex-A76)" in there.check("rss_peak_vs_baseline")["lenient"]
    assert any("another machine (Cortex-A76)" in said for said in there.report["warnings"])


@pytest.fixture
def refused(ground: Path, gate: Gate) -> Callable[..., str]:
    """Run a gate that must end in exit 2 before it measures, and return what it said."""

    def call(*arguments: object, candidate: str = "model") -> str:
        before = sorted(ground.rglob("*"))
        said = gate(candidate, *arguments)
        assert (said.code, said.out) == (2, ""), said
        assert "Traceback" not in said.err
        assert "latency: " not in said.err
        assert sorted(ground.rglob("*")) == before
        return said.err

    return call


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("latncy_p90_ms=3", "did you mean 'latency_p90_ms'"),
        ("latency_p90_ms", "expected METRIC=LIMIT"),
        ("latency_p90_ms=fast", "expected METRIC=LIMIT"),
        ("latency_p90_ms=-3", "a positive number"),
        ("latency_p90_ms=nan", "a positive number"),
        ("latency_p90_ms=inf", "a positive number"),
        ("accuracy=97", "at most 1"),
        ("throughput_b0_c1_rows_per_s=5", "unknown metric"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(
    refused: Callable[..., str], typed: str, said: str
) -> None:
    assert said in refused("--budget", typed)


def test_an_unknown_metric_lists_those_that_exist(refused: Callable[..., str]) -> None:
    said = refused("--budget", "bogus=1")
    assert all(metric in said for metric in METRICS)


def test_nothing_to_gate_on_says_what_could_be(refused: Callable[..., str]) -> None:
    said = refused()
    assert "nothing to gate on" in said
    assert "--reference FOLDER" in said


def test_a_typed_accuracy_budget_needs_labels(refused: Callable[..., str]) -> None:
    typed = ("--budget", "accuracy=0.5", "--budget", "artifact_mb=9")
    assert "--unlabeled" in refused(*typed, "--unlabeled")


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--samples"])
def test_an_output_that_cannot_be_written_is_refused_before_measuring(
    refused: Callable[..., str], option: str
) -> None:
    assert "rows.csv" in refused("--budget", "artifact_mb=9", option, "rows.csv/inside/out.xml")


def test_github_without_its_runner_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert "GITHUB_STEP_SUMMARY" in refused("--budget", "artifact_mb=9", "--github")


def test_a_reference_that_is_not_there_is_refused(refused: Callable[..., str]) -> None:
    assert "nowhere: no such model folder" in refused("--reference", "nowhere")


def test_a_reference_with_other_classes_is_refused(
    ground: Path, refused: Callable[..., str]
) -> None:
    shutil.copytree(ground / "model", ground / "reordered")
    labels = read_artifact(ground / "reordered").labels
    rewritten(ground / "reordered", labels=labels[::-1])
    resealed(ground / "reordered")
    assert "the reference's 3 classes are not the model's" in refused("--reference", "reordered")


def test_a_truncated_candidate_is_refused(ground: Path, refused: Callable[..., str]) -> None:
    shutil.copytree(ground / "model", ground / "truncated")
    model = ground / "truncated" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-500])
    said = refused("--budget", "artifact_mb=9", candidate="truncated")
    assert "truncated: the files do not match artifact.json" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "not a baseline (a JSON list)"),
        ('{"schema_version": 1, "status": "PASS"}', "not a baseline (its keys are"),
        ('{"edgepress_baseline": 0}', "schema 0; this edgepress reads 3"),
        ('{"edgepress_baseline": 3}', "created: field required"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused(
    ground: Path, refused: Callable[..., str], content: str, said: str
) -> None:
    (ground / "broken.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    refusal = refused("--baseline", "broken.json")
    assert said in refusal
    assert "edgepress baseline save MODEL --data ROWS --out broken.json" in refusal


def test_a_baseline_with_a_damaged_figure_names_it(
    ground: Path, refused: Callable[..., str], baseline: dict[str, Any]
) -> None:
    (ground / "broken.json").write_text(json.dumps({**baseline, "rss_peak_mb": [-1]}))
    assert "broken.json: rss_peak_mb.0: " in refused("--baseline", "broken.json")


def test_a_missing_baseline_or_profile_is_refused(refused: Callable[..., str]) -> None:
    assert "nowhere.json: No such file" in refused("--baseline", "nowhere.json")
    assert "did you mean 'rpi5'" in refused("--profile", "rpi55")

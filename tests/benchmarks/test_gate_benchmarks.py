"""The gate benchmarks: figures on invented trials, work added to real graphs, and short runs."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import gate_false_alarms, gate_sensitivity, gate_trials, planted_slowdown
from benchmarks.gate_trials import Journal, Tally, loaded_core, share_bounds
from benchmarks.other_gates import (
    METHODS,
    Method,
    Protocol,
    judgments,
    second_of_rounds,
    sequential_samples,
)
from benchmarks.planted_slowdown import logits_differ, next_guess, only_rows, percent_slower
from benchmarks.planted_work import add_work, dense_layers, slow_copy
from runtimes.artifact import read_artifact, write_like
from runtimes.errors import ArtifactError, InputError, UnsupportedError
from runtimes.predict import open_predictor
from runtimes.samples import Block, Samples
from tests.runtimes import tiny

ROOT = Path(__file__).parents[2]


# --- the other tools -----------------------------------------------------------------------------


def method(name: str) -> Method:
    return next(one for one in METHODS if one.name.startswith(name))


@pytest.mark.parametrize(
    ("name", "candidate", "regressed"),
    [
        ("mean", [1.0, 1.0, 1.2], True),
        ("mean", [1.0, 1.0, 1.1], False),
        ("median", [1.0, 1.0, 9.0], False),
        ("median", [1.0, 1.06, 1.06], True),
        ("pytest-benchmark", [1.04, 9.0, 9.0], False),
        ("pytest-benchmark", [1.06, 1.06, 1.06], True),
        ("Olive", [1.0, 1.0, 1.2], True),
        ("Olive", [1.0, 1.0, 1.1], False),
    ],
)
def test_each_method_judges_by_its_own_statistic(
    name: str, candidate: list[float], regressed: bool
) -> None:
    assert method(name).regressed(np.ones(3), np.array(candidate), 1.05) is regressed


def test_what_is_just_at_the_limit_is_no_regression() -> None:
    # As pytest-benchmark's check has it: only what is greater fails.
    assert not any(one.regressed(np.full(20, 2.0), np.full(20, 3.0), 1.5) for one in METHODS)


def test_every_method_names_its_source() -> None:
    assert all(one.source for one in METHODS)
    assert len({one.name for one in METHODS}) == len(METHODS) == 4


def test_pytest_benchmark_fills_a_second_and_makes_five_rounds_at_least() -> None:
    assert second_of_rounds(0.5) == 2000
    assert second_of_rounds(300.0) == 5


def test_samples_are_taken_of_one_model_after_the_other(tmp_path: Path) -> None:
    artifact = tiny.tiny_onnx(tmp_path / "model", layers=4, hidden=256)
    samples = sequential_samples(artifact, artifact, tiny.TEXTS)
    assert [len(one) for one in samples[Protocol.ROWS]] == [20, 20]
    assert [len(one) for one in samples[Protocol.REPEATS]] == [20, 20]
    assert all(len(one) >= 5 and (one > 0).all() for one in samples[Protocol.SECOND])
    by_method = judgments(samples, limit=1000.0)
    assert list(by_method) == [one.name for one in METHODS]
    assert not any(row["regressed"] for row in by_method.values())


# --- planted work --------------------------------------------------------------------------------


def quantized(folder: Path) -> Any:
    """Make the tiny classifier with dynamically quantized layers."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    artifact = tiny.tiny_onnx(folder, layers=2)
    file = str(artifact.model_file)
    options = {"MatMulConstBOnly": True}
    quantize_dynamic(
        file,
        file,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options=options,
    )
    (folder / "artifact.json").unlink()
    return write_like(artifact, folder)


@pytest.mark.parametrize("make", [lambda folder: tiny.tiny_onnx(folder, layers=2), quantized])
def test_planted_work_is_done_and_changes_no_logit(make: Any, tmp_path: Path) -> None:
    plain = make(tmp_path / "plain")
    slowed = slow_copy(plain, 40, tmp_path / "slowed")  # more than one layer of 32 columns has
    assert slowed.digest != plain.digest
    slowed.verify()
    assert logits_differ(plain, slowed, tiny.TEXTS) <= 1e-6
    assert nodes_run(slowed.model_file) - nodes_run(plain.model_file) >= 4
    assert slowed.size_bytes() - plain.size_bytes() < 3000  # the work has no weights of its own


def nodes_run(model: Path) -> int:
    """Count the nodes that are left when the runtime has optimized the graph."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    target = model.with_name("optimized.onnx")
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(target).graph.node]
    target.unlink()
    assert "Slice" not in kinds  # sliced once, when the graph is loaded
    return len(kinds)


def test_no_columns_make_a_copy_with_the_same_digest(tmp_path: Path) -> None:
    plain = tiny.tiny_onnx(tmp_path / "plain")
    assert slow_copy(plain, 0, tmp_path / "copy").digest == plain.digest


def test_the_largest_layers_are_computed_again_first() -> None:
    layers = dense_layers(tiny.onnx_graph(layers=2))
    assert [layer.columns for layer in layers] == [32, 32, 3]


def test_more_columns_than_the_graph_has_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="the graph has 64"):
        add_work(tiny.onnx_graph(layers=2), 65)


def test_a_graph_without_dense_layers_is_refused() -> None:
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Tanh", ["x"], ["y"])], "none", [x], [y])
    with pytest.raises(UnsupportedError, match="no MatMul"):
        add_work(helper.make_model(graph), 1)


def test_openvino_is_refused(tmp_path: Path) -> None:
    artifact = tiny.tiny_openvino(tmp_path / "model")
    with pytest.raises(UnsupportedError, match="'openvino'"):
        planted_slowdown._onnx_artifact(artifact.path)


def test_the_next_guess_is_on_the_line_through_what_was_seen() -> None:
    seen = [(100, 3.0), (200, 5.0), (500, 11.0)]  # 1 % and 2 % more a hundred columns
    assert next_guess(seen, 10, 1000) == 450
    assert next_guess(seen, 0, 1000) == 0
    assert next_guess(seen, 90, 1000) == 1000
    assert next_guess([(100, 4.0)], 10, 1000) == 250
    assert next_guess([(100, 4.0), (200, 3.0)], 4, 1000) == 100


def samples(ratio: float, dirty: bool = False) -> Samples:
    """Return ten rounds of three rows, each with its own latencies."""
    blocks = [
        Block(
            process=process,
            order=process,
            latency_ms=tuple((row + 1) * (process + 1) * ratio for row in range(3))
            + ((900.0,) if dirty else (1.0,)),
            contaminated=(False, False, False, dirty),
            probe_ms=(1.0, 1.0),
            rows=(0, 1, 2, 3),
        )
        for process in range(10)
    ]
    return Samples(
        variant="one",
        runtime="onnxruntime",
        runtime_version="1",
        threads=1,
        blocks=tuple(blocks),
        cold_starts=(),
        session_ms=(),
        first_inference_ms=(),
        rss_peak_mb=(),
        size_mb=1.0,
    )


def test_a_slowdown_is_of_the_same_rows_and_clean_samples() -> None:
    slower = percent_slower(samples(1.1, dirty=True), samples(1.0))
    assert slower.value == pytest.approx(10)
    assert slower.lower == slower.upper == pytest.approx(10)
    assert only_rows(samples(1.0), lambda row: row > 1).blocks[0].rows == (2, 3)


def test_a_slowdown_without_clean_samples_is_not_known() -> None:
    only_dirty = only_rows(samples(1.0, dirty=True), lambda row: row == 3)
    assert percent_slower(only_dirty, only_dirty).value is None


# --- trials --------------------------------------------------------------------------------------


def test_a_loaded_core_is_free_again_after_an_error() -> None:
    spinning: list[int] = []

    def fail() -> None:
        with loaded_core() as pid:
            assert pid is not None
            spinning.append(pid)
            assert alive(pid)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not alive(spinning[0])


def test_the_spinning_child_ends_with_a_parent_that_is_killed() -> None:
    code = (
        "import time\nfrom benchmarks.gate_trials import loaded_core\n"
        "with loaded_core() as pid:\n  print(pid, flush=True)\n  time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and alive(pid):
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_bounds_of_a_share_are_exact() -> None:
    lower, upper = share_bounds(0, 100)
    assert lower == 0
    assert (1 - upper) ** 100 == pytest.approx(0.05)  # the rule of three, exactly
    assert share_bounds(10, 10)[0] ** 10 == pytest.approx(0.05)


def made_up(status: str, **more: Any) -> dict[str, Any]:
    """Return a trial whose gate ended with a status; the other tools report nothing."""
    check = {"status": status, "counts": True, "value": 1.0}
    gate = {"status": status, "wall_s": 60.0, "looks": 2, "overhead": 0.1}
    others = {one.name: {"regressed": more.get("alarm", False)} for one in METHODS}
    trial = {"loaded": False, "gate": {**gate, "checks": {"latency_p50_ratio": check}}}
    return {**trial, "others": others, **more}


def test_what_is_neither_pass_nor_fail_is_undecided() -> None:
    tallies = gate_trials.tallies([made_up(s) for s in ("PASS", "FAIL", "INCONCLUSIVE", "PASS")])
    assert tallies["edgepress"] == Tally(1, 1, 2)
    assert tallies["mean of 20"] == Tally(0, 0, 4)


def test_false_alarms_are_counted_by_condition() -> None:
    trials = [made_up("PASS"), made_up("FAIL", loaded=True), made_up("PASS", alarm=True)]
    summary = gate_false_alarms.summarize(trials)
    results = summary["results"]
    assert [results[key]["edgepress"]["fail"] for key in ("quiet", "loaded", "all")] == [0, 1, 1]
    assert results["quiet"]["Olive's default"]["fail_share"]["value"] == 0.5
    assert summary["metrics"]["latency_p50_ratio"]["pass"] == 2
    assert summary["costs"]["all"]["looks"] == {"2": 3}
    shown = gate_false_alarms.table(summary)
    assert "loaded: 1 gates" in shown
    assert "a gate took 60 s" in shown


def result(nominal: float, share: float) -> dict[str, Any]:
    methods = {"edgepress": {"fail_share": {"value": share}}}
    return {"limit": 1.05, "nominal_percent": nominal, "methods": methods}


def test_caught_is_the_smallest_from_which_on_all_are_caught() -> None:
    shares = {0.0: 1.0, 3.0: 0.9, 5.0: 0.8, 10.0: 0.9, 20.0: 1.0}
    results = [result(nominal, share) for nominal, share in shares.items()]
    assert gate_sensitivity.caught(results) == {"1.05": {"edgepress": 10.0}}
    assert gate_sensitivity.caught(results[:3]) == {"1.05": {"edgepress": None}}


def test_every_copy_is_gated_at_every_limit_in_every_round_and_more_rounds_only_add() -> None:
    three = list(gate_sensitivity.cells([0, 5], [1.05, 1.02], 3, 7))
    assert len(set(three)) == 12
    assert {(cell.limit, cell.nominal) for cell in three[:4]} == {
        (limit, nominal) for limit in (1.05, 1.02) for nominal in (0, 5)
    }
    assert list(gate_sensitivity.cells([0, 5], [1.05, 1.02], 2, 7)) == three[:8]


HEAD: Mapping[str, Any] = {"model": "digest", "limits": (1.05,)}


def test_a_journal_goes_on_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    journal = Journal(file, HEAD, resume=False)
    journal.add({"seed": 1})
    assert journal.path is not None
    with journal.path.open("a") as lines:
        lines.write('{"seed": 2, "ga')
    again = Journal(file, HEAD, resume=True)
    assert again.trials == [{"seed": 1}]
    again.add({"seed": 3})
    assert Journal(file, HEAD, resume=True).trials == [{"seed": 1}, {"seed": 3}]


def test_an_earlier_journal_is_neither_lost_nor_mixed(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    Journal(file, HEAD, resume=False).add({"seed": 1})
    with pytest.raises(InputError, match="earlier run"):
        Journal(file, HEAD, resume=False)
    with pytest.raises(InputError, match="other settings"):
        Journal(file, {**HEAD, "model": "other"}, resume=True)
    with pytest.raises(InputError, match="no such folder"):
        Journal(tmp_path / "none" / "found.json", HEAD, resume=False)
    with pytest.raises(InputError, match="without --json"):
        Journal(None, HEAD, resume=True)


def test_copies_of_another_model_or_changed_ones_are_refused(tmp_path: Path) -> None:
    plain = tiny.tiny_onnx(tmp_path / "plain")
    copy = slow_copy(plain, 5, tmp_path / "planted" / "plus-5")
    row = {"folder": "plus-5", "nominal_percent": 5.0, "digest": copy.digest}
    content = {"model": {"digest": plain.digest}, "planted": [row]}
    (tmp_path / "planted" / "planted.json").write_text(json.dumps(content))
    assert gate_sensitivity.planted_copies(tmp_path / "planted", plain) == [row]
    with pytest.raises(InputError, match="another model"):
        gate_sensitivity.planted_copies(tmp_path / "planted", copy)
    (copy.path / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError):
        gate_sensitivity.planted_copies(tmp_path / "planted", plain)


# --- the commands --------------------------------------------------------------------------------


def call(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{script}", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_no_artifact_and_no_folder_are_bad_input(tmp_path: Path) -> None:
    done = call("gate_false_alarms", "--model", str(tmp_path), "--data", "none.csv")
    assert done.returncode == 2
    assert "not an artifact folder" in done.stderr
    artifact = tiny.tiny_onnx(tmp_path / "model")
    target = str(tmp_path / "none" / "found.json")
    given = ("--model", str(artifact.path), "--data", "none.csv", "--json", target)
    refused = call("gate_false_alarms", *given)
    assert refused.returncode == 2
    assert "no such folder" in refused.stderr
    assert "Traceback" not in done.stderr + refused.stderr


def inputs(folder: Path) -> tuple[str, ...]:
    """Make a model that takes a while, and rows for it; return the options that name them."""
    artifact = tiny.tiny_onnx(folder / "model", layers=6, hidden=512)
    rows = folder / "rows.csv"
    model = open_predictor(artifact.path)
    labels = artifact.labels
    with rows.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["words", "topic"])
        writer.writerows((text, labels[np.argmax(model.answer(text))]) for text in tiny.TEXTS * 20)
    return ("--model", str(artifact.path), "--data", str(rows), "--text", "words")


@pytest.mark.slow
@pytest.mark.alone
def test_quick_false_alarms(tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    given = (*inputs(tmp_path), "--label", "topic", "--quick", "--json", str(target))
    made = call("gate_false_alarms", *given)
    assert made.returncode == 0, made.stderr
    content = json.loads(target.read_text())
    assert content["results"]["all"]["edgepress"]["trials"] == 4
    assert [row["loaded"] for row in content["trials"]] == [False, True, False, True]
    assert {row["others_first"] for row in content["trials"][::2]} == {False, True}
    assert "latency_p50_ratio" in content["metrics"]
    assert set(content["methods"]) == {one.name for one in METHODS}
    again = call("gate_false_alarms", *given, "--resume")
    assert again.returncode == 0, again.stderr
    assert json.loads(target.read_text())["trials"] == content["trials"]
    assert "false FAIL" in again.stdout


@pytest.mark.slow
@pytest.mark.alone
def test_quick_sensitivity_plants_what_is_not_there(tmp_path: Path) -> None:
    target, planted = tmp_path / "found.json", tmp_path / "planted"
    given = (*inputs(tmp_path), "--label", "topic", "--planted", str(planted), "--quick")
    made = call("gate_sensitivity", *given, "--json", str(target))
    assert made.returncode == 0, made.stderr
    content = json.loads(target.read_text())
    assert [row["nominal_percent"] for row in content["results"]] == [0, 3, 5, 10, 20]
    assert all(row["logits_differ"] <= 1e-6 for row in content["planted"])
    assert set(content["caught"]["1.05"]) == {"edgepress", *(one.name for one in METHODS)}
    plain = read_artifact(tmp_path / "model")
    assert read_artifact(planted / "plus-0").digest == plain.digest
    assert read_artifact(planted / "plus-20").digest != plain.digest

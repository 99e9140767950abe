"""The file that is deployed: its command line, alone in a bundle, and its measuring protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtimes import agent
from runtimes.artifact import Artifact
from runtimes.onnx_runtime import OnnxRuntime
from runtimes.session import SessionOptions
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx, tiny_openvino


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    tiny_onnx(folder)
    shutil.copyfile(agent.__file__, folder / "predict.py")
    return folder


def run(bundle: Path, *arguments: str, stdin: str | None = None) -> Any:
    return subprocess.run(
        [sys.executable, "-I", str(bundle / "predict.py"), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_agrees_with_the_runtime_on_every_text(bundle: Path) -> None:
    artifact = tiny_onnx(bundle)
    classifier = agent.load(bundle)
    with OnnxRuntime().load(artifact, SessionOptions()) as session:
        for text in TEXTS:
            expected = session.infer(classifier.encode(text))["logits"][0]
            np.testing.assert_array_equal(classifier.logits(text), expected)


def test_encodes_one_row_without_padding_and_truncates(bundle: Path) -> None:
    classifier = agent.load(bundle)
    short = classifier.encode("my card")
    assert {name: array.shape for name, array in short.items()} == {
        "input_ids": (1, 4),
        "attention_mask": (1, 4),
    }
    assert all(array.dtype == np.int64 for array in short.values())
    assert classifier.encode("card " * 500)["input_ids"].shape == (1, 32)


def test_openvino_gives_the_same_logits(bundle: Path, tmp_path: Path) -> None:
    tiny_openvino(tmp_path)
    one, other, third = (
        agent.load(bundle),
        agent.load(tmp_path),
        agent.load(bundle, runtime="openvino"),
    )
    for text in TEXTS:
        np.testing.assert_allclose(other.logits(text), one.logits(text), atol=1e-5)
        np.testing.assert_allclose(third.logits(text), one.logits(text), atol=1e-5)


def test_prints_label_and_score(bundle: Path) -> None:
    done = run(bundle, TEXTS[0])
    assert done.returncode == 0, done.stderr
    label, score = done.stdout.rstrip("\n").split("\t")
    wanted, probability = agent.load(bundle).predict(TEXTS[0])
    assert label == wanted
    assert float(score) == pytest.approx(probability, abs=1e-4)
    assert done.stderr == ""


def test_several_texts_are_repeated_beside_their_labels(bundle: Path) -> None:
    done = run(bundle, "my card", "the\tapp\ncrashed")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[2] for row in rows] == ["my card", "the app crashed"]


def test_json_has_the_best_k_that_sum_to_one(bundle: Path) -> None:
    done = run(bundle, "my card", "--json", "--top", "3")
    found = json.loads(done.stdout)
    assert found["top"][0] == {"label": found["label"], "score": found["score"]}
    assert sum(row["score"] for row in found["top"]) == pytest.approx(1, abs=1e-5)
    assert {row["label"] for row in found["top"]} == set(LABELS)
    assert found["text"] == "my card"


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("rows.txt", "my card is lost\nthe app crashed\n", []),
        ("rows.csv", "\ufefftext,n\nmy card is lost,1\nthe app crashed,2\n", []),
        ("rows.csv", 'n,body\n1,"my card is lost"\n2,the app crashed\n', ["--text", "body"]),
        ("rows.jsonl", '{"text": "my card is lost"}\n{"text": "the app crashed"}\n', []),
    ],
)
def test_reads_rows(
    bundle: Path, tmp_path: Path, name: str, content: str, options: list[str]
) -> None:
    source = tmp_path / name
    source.write_text(content, encoding="utf-8")
    done = run(bundle, "--rows", str(source), *options)
    assert done.returncode == 0, done.stderr
    texts = [line.split("\t")[2] for line in done.stdout.splitlines()]
    assert texts == ["my card is lost", "the app crashed"]


def test_reads_stdin(bundle: Path) -> None:
    done = run(bundle, "--rows", "-", stdin="my card\nthank you\n")
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give texts"),
        ([""], "empty"),
        (["text", "--rows", "x"], "give texts"),
        (["text", "--top", "2"], "--top needs --json"),
        (["text", "--threads", "-1"], "from 0 up"),
        (["text", "--text", "body"], "--rows"),
        (["text", "--model", "/nowhere"], "/nowhere"),
        (["--rows", "/nowhere.txt"], "/nowhere.txt: No such file"),
        (["text", "--runtime", "tensorrt"], "invalid choice"),
    ],
)
def test_bad_usage_exits_2_without_a_traceback(
    bundle: Path, arguments: list[str], said: str
) -> None:
    done = run(bundle, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_unknown_column_lists_the_columns(bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("id,body\n1,my card\n", encoding="utf-8")
    done = run(bundle, "--rows", str(source))
    assert done.returncode == 2
    assert "id, body" in done.stderr


def test_text_that_is_not_utf8(bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "rows.txt"
    source.write_bytes("Überweisung\n".encode("latin-1"))
    done = run(bundle, "--rows", str(source))
    assert done.returncode == 2
    assert "UTF-8" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.onnx", None, "model.onnx: no such file"),
        ("model.onnx", "garbage", "onnxruntime cannot load it"),
        ("tokenizer.json", None, "tokenizer.json: no such file"),
        ("tokenizer.json", "{}", "tokenizer.json: cannot be read"),
        ("artifact.json", None, "--model FOLDER"),
        ("artifact.json", "[]", "not an artifact's manifest"),
        ("artifact.json", '{"format": "huggingface", "labels": [], "max_length": 1}', "export"),
        (
            "artifact.json",
            '{"format": "onnx", "labels": ["one"], "max_length": 8}',
            "should be (1, 1)",
        ),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong(
    bundle: Path, tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    broken = tmp_path / "bundle"
    shutil.copytree(bundle, broken)
    (broken / name).unlink()
    if content is not None:
        (broken / name).write_text(content)
    done = run(broken, "my card")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers", "numpy"])
def test_a_missing_package_is_named_with_its_command(bundle: Path, package: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.modules[{package!r}] = None\n"
        f"sys.argv = ['predict.py', 'my card']\n"
        f"runpy.run_path({str(bundle / 'predict.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"pip install {package}" in done.stderr
    assert "Traceback" not in done.stderr


def test_needs_neither_torch_nor_the_project(bundle: Path) -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['predict.py', 'my card']\n"
        f"runpy.run_path({str(bundle / 'predict.py')!r}, run_name='agent')['main']()\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'torch', 'transformers', 'onnx', 'runtimes', 'compress'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_leaves_early_is_no_error(bundle: Path) -> None:
    rows = "my card\n" * 5000
    command = f"'{sys.executable}' -I '{bundle / 'predict.py'}' --rows - | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        input=rows,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


class Conversation:
    """Speak the measuring protocol with one process."""

    def __init__(self, artifact: Artifact) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", agent.__file__, "--serve", "--model", str(artifact.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def conversation(tmp_path: Path) -> Iterator[Conversation]:
    spoken = Conversation(tiny_onnx(tmp_path))
    yield spoken
    spoken.process.communicate(timeout=20)
    assert spoken.process.returncode == 0


def test_serves_the_measuring_protocol(conversation: Conversation) -> None:
    loaded = conversation.ask(do="load", text=TEXTS[0])
    steps = ("interpreter_ms", "imports_ms", "load_ms", "session_ms", "first_result_ms")
    assert all(loaded[step] > 0 for step in steps)
    assert sum(loaded[step] for step in steps) <= loaded["total_ms"] * 1.001
    assert loaded["first_inference_ms"] <= loaded["first_result_ms"]
    assert conversation.ask(do="texts", texts=list(TEXTS))["tokens"][2] == 4
    warmed = conversation.ask(do="warm", runs=5, seconds=0.05, limit_s=1)
    assert len(warmed["medians_ms"]) >= 1
    block = conversation.ask(do="run", rows=[0, 1, 2, 0])
    assert len(block["latency_ms"]) == len(block["contaminated"]) == 4
    assert all(sample > 0 for sample in block["latency_ms"])
    assert all(probe > 0 for probe in block["probe_ms"])
    assert block["throttled"] in (True, False)
    assert {"mhz", "steal"} <= block.keys()
    assert 20 < conversation.ask(do="peak")["rss_peak_mb"] < 2000


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("batch", "concurrency"), [(1, 1), (4, 3)])
def test_threads_share_a_model(runtime: str, batch: int, concurrency: int, bundle: Path) -> None:
    worker = _loaded_worker(bundle, runtime)
    found = worker.throughput(batch, concurrency, 0.1, [0, 1, 2])
    assert found["rows_per_s"] > 10 * batch
    assert found["inference_s"] >= 0.1


def test_more_rows_at_a_time_are_counted_as_rows(bundle: Path, monkeypatch: Any) -> None:
    worker = _loaded_worker(bundle, "onnxruntime")
    shapes = []

    def infer(feeds: dict[str, Any]) -> None:
        shapes.append(feeds["input_ids"].shape)
        time.sleep(0.01)

    monkeypatch.setattr(worker._loaded(), "infer", infer)
    found = worker.throughput(8, 1, 0.2, [0, 1])
    assert set(shapes) == {(8, 6)}
    assert found["rows_per_s"] == pytest.approx(8 * 100, rel=0.3)


def test_padding_changes_no_row(bundle: Path) -> None:
    classifier = agent.load(bundle)
    rows = [classifier.encode(text) for text in TEXTS]
    output = classifier.infer(classifier.batch(rows))
    for row, text in zip(output, TEXTS, strict=True):
        np.testing.assert_allclose(row, classifier.logits(text), atol=1e-5)


def test_a_failing_load_says_which(bundle: Path, monkeypatch: Any) -> None:
    worker = _loaded_worker(bundle, "onnxruntime")

    def infer(_: dict[str, Any]) -> None:
        raise MemoryError

    monkeypatch.setattr(worker._loaded(), "infer", infer)
    with pytest.raises(agent.AgentError, match="2 callers of 4 rows: MemoryError"):
        worker.throughput(4, 2, 0.1, [0])


def _loaded_worker(bundle: Path, runtime: str) -> agent.Worker:
    arguments = agent.parse(["--serve", "--model", str(bundle), "--runtime", runtime])
    worker = agent.Worker(arguments, time.perf_counter_ns())
    worker.load(TEXTS[0])
    worker.texts(list(TEXTS))
    return worker


def test_a_bad_request_is_answered_and_survived(conversation: Conversation) -> None:
    assert "unknown request 'dance'" in conversation.ask(do="dance")["error"]
    assert "load" in conversation.ask(do="texts", texts=["my card"])["error"]
    assert conversation.ask(do="load", text="my card")["runtime"] == "onnxruntime"


def test_waiting_is_flagged_and_working_is_not() -> None:
    def wait(_: dict[str, Any]) -> None:
        time.sleep(0.02)

    milliseconds, contaminated = agent.timed(wait, {})
    assert milliseconds >= 20
    assert contaminated
    assert agent.preemptions() >= 0
    assert agent.probe_ms() > 0


def test_the_kernel_knows_when_a_process_started() -> None:
    age_ns = time.perf_counter_ns() - agent.started_ns(None)
    assert age_ns > time.perf_counter_ns() - agent._ENTERED_NS
    assert agent.started_ns(5) == 5

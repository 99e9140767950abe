"""The peers: their environments' keys, their commands, their results, and one real peer."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import environments, make
from benchmarks.peers import own_answers as own
from benchmarks.peers.check import measured, table
from benchmarks.peers.job import PeerJob, Script, call, last_line, read_rows, validation_apart
from benchmarks.peers.make import PEERS, PeerModel, make_peers
from benchmarks.peers.processor import cpu_flags, optimum_flag, saturates
from compress.data.dataset import DataSettings
from compress.data.rows import Rows
from compress.models.teacher import open_model
from compress.models.torch_model import load_model, save_model
from compress.progress import Silence
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import BackendError, DataError, UnknownNameError
from tests.compress.tiny_models import LABELS, make_data, make_model
from tests.compress.tiny_pairs import LABELS as PAIR_LABELS
from tests.compress.tiny_pairs import pair_rows, ranking_rows
from tests.compress.tiny_tags import tagged_rows, write_jsonl
from tests.runtimes.tiny_tagger import LABELS as TAGS

_STAND_IN = """
import json, shutil, sys
from pathlib import Path
job = json.loads(Path(sys.argv[3]).read_text()) if len(sys.argv) == 4 else {{}}
{body}
"""


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_model(tmp_path_factory.mktemp("teacher") / "tiny")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ONNX file that a stand-in for a peer returns: three classes for any ids."""
    import onnx
    from onnx import TensorProto, helper

    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])
    slopes = helper.make_tensor("slopes", TensorProto.FLOAT, [1, len(LABELS)], [1.0, 2.0, 3.0])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axis"], ["mean"], keepdims=1),
        helper.make_node("MatMul", ["mean", "slopes"], ["logits"]),
    ]
    graph = helper.make_graph(nodes, "tiny", [ids], [logits], [slopes, axis])
    file = tmp_path_factory.mktemp("exported") / "model.onnx"
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), str(file))
    return file


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rows") / "train.csv"
    data = make_data().train
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("phrase", "intent"))
        writer.writerows(zip(data.inputs, (LABELS[i] for i in data.targets), strict=True))
    return file


def of_classes(file: Path, text: str = "phrase", label: str = "intent") -> DataSettings:
    """Return where a file's texts and labels stand."""
    return DataSettings(train=(), test=(str(file),), text=text, label=label)


Peers = Callable[..., list[PeerModel]]


@pytest.fixture
def peers(teacher: Artifact, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Peers:
    """Make peers whose interpreter is a script of the test's own, by the peer's name."""

    def run(**bodies: str) -> list[PeerModel]:
        def interpreter(peer: str, root: Path) -> Path:
            if peer not in bodies:
                raise BackendError(f"pip install for {peer}: no network", action="get one")
            python = tmp_path / f"{peer}.sh"
            code = tmp_path / f"{peer}.py"
            code.write_text(_STAND_IN.format(body=bodies[peer]), encoding="utf-8")
            python.write_text(f'#!/bin/sh\nexec {sys.executable} {code} "$@"\n', encoding="utf-8")
            python.chmod(0o755)
            return python

        monkeypatch.setattr(make, "interpreter", interpreter)
        names = ["onnxruntime", "olive"]
        out = tmp_path / "made"
        return make_peers(teacher.path, of_classes(rows), out, names, progress=Silence())

    return run


def results(*rows: dict[str, object]) -> str:
    """Return code that leaves these rows, as a peer's script does."""
    blank = {"version": "tool 1.0", "format": "onnx", "precision": "int8", "seconds": 2.0}
    listed = json.dumps([blank | row for row in rows])
    return f"(Path(job['folder']) / 'results.json').write_text({listed!r})"


def test_a_peer_that_cannot_be_installed_is_a_row_and_the_others_go_on(
    peers: Peers, exported: Path
) -> None:
    body = "\n".join(
        (
            "folder = Path(job['folder']) / 'good'; folder.mkdir()",
            f"shutil.copy({str(exported)!r}, folder)",
            results({"name": "good", "folder": "good"}),
        )
    )
    models = peers(olive=body)
    assert [row.name for row in models] == ["onnxruntime", "good"]
    assert models[0].error == "pip install for onnxruntime: no network"
    assert models[0].path is None
    assert (models[1].version, models[1].format, models[1].seconds) == ("tool 1.0", "onnx", 2.0)
    assert models[1].path is not None
    artifact = read_artifact(models[1].path)
    assert (artifact.precision, artifact.labels) == ("int8", LABELS)
    assert open_model(str(models[1].path), task="text-classification").format == "onnx"


def test_a_script_that_dies_keeps_what_it_made_before(peers: Peers, exported: Path) -> None:
    body = "\n".join(
        (
            "folder = Path(job['folder']) / 'good'; folder.mkdir()",
            f"shutil.copy({str(exported)!r}, folder)",
            results({"name": "good", "folder": "good"}),
            "raise MemoryError('too big')",
        )
    )
    good, died = peers(olive=body)[1:]
    assert (good.name, good.error) == ("good", "")
    assert (died.name, died.error) == ("olive", "its script ended with 1: MemoryError: too big")


def test_a_script_that_ends_well_without_a_model_is_an_error(peers: Peers) -> None:
    assert peers(olive="")[1].error == "its script made nothing"


def test_a_model_that_no_runtime_loads_is_an_error(peers: Peers) -> None:
    body = "\n".join(
        (
            "folder = Path(job['folder']) / 'bad'; folder.mkdir()",
            "(folder / 'model.onnx').write_text('no model')",
            results({"name": "bad", "folder": "bad"}),
        )
    )
    bad = peers(olive=body)[1]
    assert bad.path is None
    assert "not an intact ONNX file" in bad.error
    assert "\n" not in bad.error


def test_the_job_has_training_rows_and_the_teacher(
    peers: Peers, teacher: Artifact, tmp_path: Path
) -> None:
    peers(olive="")
    job = json.loads((tmp_path / "made/olive/job.json").read_text(encoding="utf-8"))
    assert set(job["texts"]) <= set(make_data().train.inputs)
    assert len(set(job["texts"])) == 300
    assert (job["teacher"], job["max_length"]) == (str(teacher.path), teacher.max_length)


def test_an_unknown_peer_and_rows_of_other_classes_are_refused(
    teacher: Artifact, rows: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'olive'"):
        make_peers(teacher.path, of_classes(rows), tmp_path / "out", ["olve"])
    with pytest.raises(DataError):
        make_peers(teacher.path, of_classes(rows, "intent", "phrase"), tmp_path / "out", [])


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    job = PeerJob(tmp_path / "teacher", ("a text",), 64, tmp_path)
    monkeypatch.setattr(sys, "argv", ["script", str(job.write())])
    return Script("pytest")


def test_a_row_counts_the_export_that_it_starts_from(script: Script) -> None:
    first = script.make("A + b", lambda file: file.write_text("model"), precision="fp32")
    script.make("c", lambda file: file.write_text("model"), precision="int8", after="A + b")
    one, other = read_rows(script.folder)
    assert first == script.folder / "a-b" / "model.onnx"
    assert (one.folder, one.error, one.precision) == ("a-b", "", "fp32")
    assert one.version == f"pytest {pytest.__version__}"
    assert other.seconds > one.seconds > 0


def test_a_row_that_fails_says_why_and_so_does_what_starts_from_it(script: Script) -> None:
    def fail(file: Path) -> None:
        raise ValueError("no such operator\nby the way")

    script.make("first", fail, precision="fp32")
    script.make("second", lambda file: None, precision="int8", after="first")
    script.make("third", lambda file: None, precision="int8", format="openvino")
    assert [row.error for row in read_rows(script.folder)] == [
        "ValueError: no such operator",
        "it starts from first, which failed",
        "it ended without model.xml",
    ]


def test_a_tool_that_fails_is_quoted() -> None:
    with pytest.raises(RuntimeError, match=r"exited with 1: ZeroDivisionError: division by zero"):
        call(Path(sys.executable).name, "-c", "1 / 0")
    assert last_line("\n \n") == "it said nothing"


def test_an_environment_is_another_one_for_other_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = environments.place("olive", tmp_path)
    assert before == environments.place("olive", tmp_path)
    assert before != environments.place("optimum", tmp_path)
    monkeypatch.setattr(environments, "requirements", lambda peer: "torch==1.0\n")
    assert before != environments.place("olive", tmp_path)


def test_an_environment_is_made_once_and_only_counts_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commands(code: str) -> Callable[[Path, str], list[str]]:
        return lambda python, peer: [str(python), "-c", code]

    bare = [sys.executable, "-m", "venv", "--clear", "--without-pip"]
    monkeypatch.setattr(environments, "venv", lambda folder: [*bare, str(folder)])
    monkeypatch.setattr(environments, "pip", commands("raise SystemExit('no match found')"))
    with pytest.raises(BackendError, match="pip install for olive: no match found"):
        environments.interpreter("olive", tmp_path)
    monkeypatch.setattr(environments, "pip", commands("pass"))
    python = environments.interpreter("olive", tmp_path)
    assert python.is_file()
    monkeypatch.setattr(environments, "pip", commands("raise SystemExit('asked again')"))
    assert environments.interpreter("olive", tmp_path) == python


@pytest.mark.parametrize("peer", PEERS)
def test_every_peer_has_a_script_and_pins_that_begin_with_torch_if_it_has_that(peer: str) -> None:
    assert (Path(make.__file__).parent / f"{PEERS[peer]}.py").is_file()
    lines = [row for row in environments.requirements(peer).splitlines() if row[:1] != "#"]
    assert lines[0] == "torch==2.13.0" or not any(row.startswith("torch") for row in lines)
    assert all("==" in row for row in lines)


def test_what_runs_in_a_peers_environment_imports_nothing_of_edgepress() -> None:
    folder = Path(make.__file__).parent
    scripts = [folder / f"{script}.py" for script in (*PEERS.values(), "fasttext_answers")]
    for file in (
        *scripts,
        *(folder / f"{name}.py" for name in ("job", "processor", "torchscript")),
    ):
        imported = re.findall(r"^\s*(?:from|import) (\S+)", file.read_text("utf-8"), re.MULTILINE)
        assert not {"compress", "profiles", "runtimes"} & {name.split(".")[0] for name in imported}


def test_a_model_that_no_runtime_loads_answers_and_times_itself(
    peers: Peers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = "\n".join(
        (
            "if sys.argv[2] == 'benchmarks.peers.olive_answers':",
            "    texts = json.loads(Path(sys.argv[4]).read_text())",
            "    said = {'classes': [0, 1, 1], 'latency_ms': [0.1, 0.2, 0.6]}",
            "    Path(sys.argv[5]).write_text(json.dumps(said) if len(texts) == 3 else '')",
            "    sys.exit()",
            "assert all(number in (0, 1, 2) for _, number in job['rows'])",
            "folder = Path(job['folder']) / 'own'; folder.mkdir()",
            "(folder / 'model.ftz').write_bytes(bytes(1000))",
            results({"name": "own", "folder": "own", "format": "fasttext"}),
        )
    )
    model = peers(olive=body)[1]
    assert (model.peer, model.runnable, model.error) == ("olive", False, "")
    monkeypatch.setattr(own, "interpreter", vars(make)["interpreter"])
    answered = own.own_answers(model, ["a", "b", "c"])
    assert answered.size_mb == 0.001
    assert answered.latency(0.5) == pytest.approx(0.2)
    assert answered.scores([0, 1, 2]).metric == pytest.approx(2 / 3)


def test_settings_are_chosen_on_rows_apart() -> None:
    rows = [(f"text {number}", number % 3) for number in range(20)]
    train, held = validation_apart(rows)
    assert (len(train), len(held)) == (17, 3)
    assert set(train) | set(held) == set(rows)
    with pytest.raises(ValueError, match="no labeled rows"):
        validation_apart([])


def test_quantizing_follows_the_processor(tmp_path: Path) -> None:
    vnni, old = {"avx2", "avx512f", "avx512_vnni"}, {"avx2"}
    assert (optimum_flag(vnni, "x86_64"), saturates(vnni)) == ("--avx512_vnni", False)
    assert optimum_flag({"avx2", "avx_vnni"}, "x86_64") == "--avx512_vnni"
    assert optimum_flag({"avx2", "avx512f"}, "x86_64") == "--avx512"
    assert (optimum_flag(old, "x86_64"), saturates(old)) == ("--avx2", True)
    assert (optimum_flag({"asimd"}, "aarch64"), saturates({"asimd"})) == ("--arm64", False)
    file = tmp_path / "cpuinfo"
    file.write_text("vendor_id\t: X\nflags\t\t: fpu avx2\nflags\t\t: fpu\n", encoding="utf-8")
    assert cpu_flags(file) == {"fpu", "avx2"}
    assert cpu_flags(tmp_path / "absent") == frozenset()


def test_a_teacher_that_labels_every_token_has_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run onnxruntime's script in this environment, which has its packages too."""
    monkeypatch.setattr(make, "interpreter", lambda peer, root: Path(sys.executable))
    source = make_model(tmp_path / "pretrained")
    tagger = load_model(source.path, "token-classification", labels=TAGS)
    (tmp_path / "tagger").mkdir()
    save_model(tagger, source, tmp_path / "tagger", labels=TAGS)
    file = write_jsonl(tmp_path / "train.jsonl", tagged_rows(20, 1))
    made = make_peers(
        tmp_path / "tagger",
        *(of_classes(file, "tokens", "tags"), tmp_path / "out", ["onnxruntime"]),
        progress=Silence(),
        task="token-classification",
    )
    assert [row.error for row in made] == ["", "", ""]
    for row in made:
        assert row.path is not None
        assert read_artifact(row.path).outputs[0].shape == ("batch", "sequence", len(TAGS))


@pytest.mark.parametrize(
    ("task", "rows", "columns", "labels"),
    [
        (
            "text-pair-classification",
            pair_rows(30, 1),
            {"text": "premise", "text_pair": "hypothesis"},
            PAIR_LABELS,
        ),
        (
            "text-ranking",
            ranking_rows(12, 1),
            {"text": "query", "text_pair": "passage", "group": "query"},
            ("relevance",),
        ),
    ],
)
def test_a_teacher_of_pairs_has_peers(
    task: str,
    rows: list[dict[str, Any]],
    columns: dict[str, str],
    labels: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Run onnxruntime's script on both texts of each pair."""
    monkeypatch.setattr(make, "interpreter", lambda peer, root: Path(sys.executable))
    source = make_model(tmp_path / "pretrained")
    (tmp_path / "teacher").mkdir()
    model = load_model(source.path, task, labels=labels)
    save_model(model, source, tmp_path / "teacher", labels=labels)
    file = write_jsonl(tmp_path / "train.jsonl", rows)
    made = make_peers(
        tmp_path / "teacher",
        DataSettings(train=(), test=(str(file),), **columns),
        *(tmp_path / "out", ["onnxruntime"]),
        progress=Silence(),
        task=task,
    )
    assert [row.error for row in made] == ["", "", ""]
    known = [read_artifact(row.path) for row in made if row.path]
    assert [one.outputs[0].shape for one in known] == [("batch", len(labels))] * 3
    assert {one.task for one in known} == {task}
    job = json.loads((tmp_path / "out/onnxruntime/job.json").read_text(encoding="utf-8"))
    asked = {(row[columns["text"]], row[columns["text_pair"]]) for row in rows}
    assert set(map(tuple, job["texts"])) <= asked


@pytest.mark.slow
def test_onnxruntime_alone_makes_three_models_that_work(
    teacher: Artifact, rows: Path, tmp_path: Path
) -> None:
    """Install the peer's environment for real: the package index must be reachable."""
    models = make_peers(teacher.path, of_classes(rows), tmp_path / "out", ["onnxruntime"])
    assert [(row.error, row.format) for row in models] == [("", "onnx")] * 3
    test = make_data().test
    shown = measured(models, teacher, Rows(test.inputs[:16], test.targets[:16]))
    assert len(table(models, shown).splitlines()) == 5

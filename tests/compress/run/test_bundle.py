"""The deployed model: its command line, alone in a bundle, with the pipeline's answers."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

import numpy as np
import pytest

from compress.answers import Answers
from compress.cli.main import run as cli
from compress.data.dataset import DataSettings
from compress.run.bundle import bundle as make_bundle
from compress.run.bundle import check_bundle, write_bundle
from runtimes.artifact import read_artifact, write_like
from runtimes.errors import ArtifactError, QualityError
from runtimes.predict import open_predictor
from runtimes.tasks import TASKS
from tests.runtimes.panics import ON_READING, ON_TEXTS, harm_tokenizer
from tests.runtimes.sealed import resealed, rewritten
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx, tiny_vector


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    return write_bundle(tiny_onnx(folder / "model"), folder / "bundle")


def run(bundle: Path, *arguments: str, stdin: str | None = None) -> Any:
    return subprocess.run(
        [sys.executable, "-I", str(bundle / "predict.py"), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_prints_label_and_score(bundle: Path) -> None:
    done = run(bundle, TEXTS[0])
    assert done.returncode == 0, done.stderr
    label, score = done.stdout.rstrip("\n").split("\t")
    predictor = open_predictor(bundle)
    shown = predictor.task.shown(predictor.answer(TEXTS[0]), TEXTS[0], 0)
    assert label == shown["label"]
    assert float(score) == pytest.approx(shown["score"], abs=1e-4)
    assert done.stderr == ""


def test_several_texts_are_repeated_beside_their_labels(bundle: Path) -> None:
    done = run(bundle, "my card", "the\tapp\ncrashed")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[2] for row in rows] == ["my card", "the app crashed"]


def test_json_has_the_best_k_that_sum_to_one(bundle: Path) -> None:
    done = run(bundle, "my card", "--json", "--top", "3")
    content = json.loads(done.stdout)
    assert content["top"][0] == {"label": content["label"], "score": content["score"]}
    assert sum(row["score"] for row in content["top"]) == pytest.approx(1, abs=1e-5)
    assert {row["label"] for row in content["top"]} == set(LABELS)
    assert content["text"] == "my card"


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


COMMAND = "from compress.cli.main import main; main()"


def run_edgepress(bundle: Path, *arguments: str, stdin: str | None = None) -> Any:
    """Run `edgepress predict` as `run` runs the bundle's own predict.py."""
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "predict", str(bundle), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


both = pytest.mark.parametrize("predict", [run, run_edgepress])


@both
@pytest.mark.parametrize("arguments", [["-"], [], ["--rows", "-"]])
@pytest.mark.parametrize("rows", ["my card\nthank you\n", "\ufeffmy card\r\nthank you"])
def test_reads_stdin(bundle: Path, predict: Any, arguments: list[str], rows: str) -> None:
    done = predict(bundle, *arguments, stdin=rows)
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == ["my card", "thank you"]


@both
def test_an_empty_stdin_is_no_text_only_where_nobody_named_it(bundle: Path, predict: Any) -> None:
    assert predict(bundle, "-", stdin="").returncode == 0
    done = predict(bundle, stdin="")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no texts" in done.stderr


@both
def test_a_text_that_starts_with_a_dash_stands_after_two_dashes(bundle: Path, predict: Any) -> None:
    done = predict(bundle, "--json", "--", "-v", "--rows of cards", stdin="")
    assert done.returncode == 0, done.stderr
    texts = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    assert texts == ["-v", "--rows of cards"]


@both
def test_stdin_that_is_not_utf8_is_refused(bundle: Path, predict: Any) -> None:
    process = [sys.executable, "-c", COMMAND, "predict", str(bundle), "-"]
    if predict is run:
        process = [sys.executable, "-I", str(bundle / "predict.py"), "-"]
    done = subprocess.run(process, input=b"\xdcberweisung\n", capture_output=True, check=False)
    assert done.returncode == 2
    assert b"stdin: not UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no texts"),
        (["-", "text"], "- among other texts"),
        (["--rows", "-", "--text", "body"], "stdin is read one row a line"),
        ([""], "empty"),
        (["text", "--rows", "x"], "one of them"),
        (["text", "--top", "2"], "--top needs --json"),
        (["text", "--threads", "-1"], "from 0 up"),
        (["text", "--text", "body"], "--rows"),
        (["text", "--model", "/nowhere"], "/nowhere"),
        (["--rows", "/nowhere.txt"], "/nowhere.txt: No such file"),
        (["text", "--runtime", "tensorrt"], "onnxruntime or onnxruntime-c or openvino"),
    ],
)
def test_bad_usage_exits_2_without_a_traceback(
    bundle: Path, arguments: list[str], said: str
) -> None:
    done = run(bundle, *arguments, stdin="")
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
        ("model.onnx", None, "model.onnx is missing"),
        ("model.onnx", "garbage", "model.onnx has 7 bytes"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
        ("predict.py", "OLD# mine", "predict.py: not the file that artifact.json"),
        ("runtimes/predict.py", "print('mine')", "predict.py: not the file that artifact.json"),
        ("artifact.json", None, "artifact.json: No such file"),
        ("artifact.json", "[]", "not a bundle's manifest"),
        ("artifact.json", "{}", "not a bundle's manifest"),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong(
    bundle: Path, tmp_path: Path, name: str, content: str | None, said: str
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "bundle")
    old = (broken / name).read_text(errors="replace")
    (broken / name).unlink()
    if content is not None:
        (broken / name).write_text(content.replace("OLD", old))
    _refused(broken, said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "huggingface"}, "export"),
        ({"labels": ["one"]}, "expected:  (1, 1)"),
        ({"labels": "abc"}, "a list of texts"),
        ({"max_length": 0}, "a whole number from 1"),
    ],
)
def test_a_manifest_that_does_not_fit_says_what_is_wrong(
    bundle: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "bundle")
    rewritten(broken, **changes)
    _refused(broken, said)


def _refused(broken: Path, said: str) -> None:
    done = run(broken, "my card")
    assert done.returncode in (1, 2, 5)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("options", [[], ["-I"], ["-P"]])
@pytest.mark.parametrize("stray", ["json.py", "os.py", "pathlib.py", "numpy.py", "argparse.py"])
def test_a_stray_file_never_stands_in_for_pythons_own(
    bundle: Path, tmp_path: Path, stray: str, options: list[str]
) -> None:
    copied = shutil.copytree(bundle, tmp_path / "bundle")
    (copied / stray).write_text("raise SystemExit('the stray file ran')\n")
    (copied / "runtimes" / stray).write_text("raise SystemExit('the stray file ran')\n")
    command = [sys.executable, *options, str(copied / "predict.py"), "my card"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=copied)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_compiled_copy_is_run_or_written(bundle: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(bundle, tmp_path / "bundle")
    source = copied / "runtimes" / "predict.py"
    evil = tmp_path / "evil.py"
    evil.write_text("raise SystemExit('the compiled copy ran')\n")
    for place in (copied / "runtimes", copied / "runtimes" / "tasks"):
        assert not (place / "__pycache__").exists()
    compiled = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(
        str(evil), cfile=str(compiled), invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
    )
    done = run(copied, "my card")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in compiled.parent.iterdir()] == [compiled.name]


def test_classes_that_a_manifest_names_run_in_its_bundle_alone(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = shutil.copytree(bundle, tmp_path / "bundle")
    rewritten(copied, runtimes={"onnxruntime": "os:abort"}, task_class="os:abort")
    assert cli(["predict", str(copied), "my card"]) == 0
    assert capsys.readouterr().out


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
        f"runpy.run_path({str(bundle / 'predict.py')!r}, run_name='predict')['main']()\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'torch', 'transformers', 'onnx', 'compress', 'profiles'}))\n"
        "print(sys.modules['runtimes'].__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["[]", str(bundle / "runtimes" / "__init__.py")]


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


def test_a_text_that_looks_like_an_option_is_a_text(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the app crashed\nmy card is lost\n", encoding="utf-8")
    assert cli(["predict", str(bundle), "--json", "--", f"--rows={secret}"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["text"] == f"--rows={secret}"


def test_the_bundles_manifest_names_its_classes_and_covers_its_files(
    bundle: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(bundle, tmp_path / "bundle")
    manifest = json.loads((copied / "artifact.json").read_text(encoding="utf-8"))
    assert list(manifest["runtimes"]) == ["onnxruntime", "onnxruntime-c", "openvino"]
    assert manifest["task_class"].endswith(":TextClassification")
    artifact = read_artifact(copied)
    artifact.verify()
    (copied / "runtimes" / "predict.py").write_text("print('another')\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"runtimes/predict\.py"):
        artifact.verify()


ROWS = ("my card is\u2028lost", *TEXTS)


@pytest.fixture(scope="module")
def ranking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of the task in ranking.py, whose rows and answers are no single label."""
    folder = tmp_path_factory.mktemp("ranking")
    artifact = dataclasses.replace(tiny_onnx(folder / "model"), task="ranking")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS.rows, "ranking", "tests.compress.run.ranking:Ranking")
        return write_bundle(artifact, folder / "bundle")


@pytest.fixture(scope="module")
def vector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle whose answers are vectors: lists of floats."""
    folder = tmp_path_factory.mktemp("vector")
    return write_bundle(tiny_vector(folder / "model"), folder / "bundle")


def _rows_of(request: pytest.FixtureRequest, kind: str) -> tuple[Path, list[Any], Answers]:
    folder: Path = request.getfixturevalue(kind)
    rows: list[Any] = list(ROWS)
    if kind == "ranking":
        rows = [{"first": row, "second": "thank you", "weight": 0.5} for row in ROWS]
    predictor = open_predictor(folder, bundled=True)
    return folder, rows, [np.array(predictor.answer(row), np.float32) for row in rows]


@pytest.mark.parametrize("kind", ["bundle", "ranking"])
def test_a_bundle_answers_as_the_pipeline_but_for_its_scores(
    request: pytest.FixtureRequest, kind: str
) -> None:
    folder, rows, answers = _rows_of(request, kind)
    assert check_bundle(folder, "onnxruntime", rows, answers) == len(rows)
    surer = [1.5 * answer for answer in answers]
    assert check_bundle(folder, "onnxruntime", rows, surer) == len(rows)


@pytest.mark.parametrize("kind", ["bundle", "ranking", "vector"])
def test_a_bundle_that_answers_otherwise_is_refused(
    request: pytest.FixtureRequest, kind: str
) -> None:
    folder, rows, answers = _rows_of(request, kind)
    answers[2] = -answers[2]
    with pytest.raises(QualityError, match=f"otherwise than the pipeline on 1 of {len(rows)} rows"):
        check_bundle(folder, "onnxruntime", rows, answers)


def test_a_bundle_that_fails_is_refused(bundle: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(bundle, tmp_path / "bundle")
    for code, said in (("raise SystemExit('no room')\n", "no room"), ("", "0 of 1 rows")):
        (broken / "predict.py").write_text(code, encoding="utf-8")
        resealed(broken)
        with pytest.raises(QualityError, match=said):
            check_bundle(broken, "onnxruntime", ["my card"], [np.zeros(3, dtype=np.float32)])


def test_a_bundle_is_made_of_any_artifact_and_of_a_bundle(bundle: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text\nmy card is lost\nthank you\n", encoding="utf-8")
    (bundle / "notes.txt").write_text("mine")
    command = ["bundle", str(bundle), "--out", str(tmp_path / "again"), "--data", str(rows)]
    assert cli(command) == 0
    assert read_artifact(tmp_path / "again").digest == read_artifact(bundle).digest
    names = {path.name for path in (tmp_path / "again").rglob("*")}
    assert not names & {"notes.txt", "__pycache__"}
    (bundle / "notes.txt").unlink()


def test_a_bundle_that_would_answer_otherwise_is_not_left(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*_: Any) -> Answers:
        return [np.array([9.0, 0.0, 0.0], dtype=np.float32), np.zeros(3, dtype=np.float32)]

    monkeypatch.setattr("compress.run.bundle.folder_answers", other)
    rows = tmp_path / "rows.csv"
    rows.write_text("text\nthank you\nthe app crashed\n", encoding="utf-8")
    with pytest.raises(QualityError, match="otherwise than the pipeline"):
        make_bundle(bundle, tmp_path / "again", DataSettings(train=(), test=(str(rows),)))
    assert list(tmp_path.iterdir()) == [rows]


@pytest.mark.parametrize("parts", [*ON_READING.values(), *ON_TEXTS.values()])
def test_a_tokenizer_that_makes_its_library_panic_is_bad_input(
    bundle: Path, tmp_path: Path, parts: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "bundle")
    harm_tokenizer(broken, parts)
    done = run(broken, "my card")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert cli(["predict", str(broken), "my card"]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_what_nobody_expected_is_a_tool_s_error_without_a_traceback(
    bundle: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "bundle")
    rows = broken / "runtimes" / "rows.py"
    rows.write_text(rows.read_text() + "\n\ndef _opened(source):\n    raise OverflowError(7)\n")
    resealed(broken)
    done = run(broken, "--rows", "texts.txt")
    assert (done.returncode, done.stdout) == (5, "")
    assert "error: OverflowError: 7\n  next: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_label_starts_no_command_and_no_line(tmp_path: Path) -> None:
    sound = tiny_onnx(tmp_path / "model")
    labels = tuple(f"::error::\n::error::\x1b[2J{label}" for label in sound.labels)
    done = run(
        write_bundle(write_like(sound, sound.path, labels=labels), tmp_path / "b"), "my card"
    )
    assert done.returncode == 0
    assert done.stdout.startswith("\\u003a:error::\\n::error::\\u001b[2J")
    assert len(done.stdout.splitlines()) == 1


def test_a_folder_s_name_is_no_option(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = Path("rows.csv")
    rows.write_text("text\nmy card is lost\n", encoding="utf-8")
    for out in ("-c", "--json"):
        assert cli(["bundle", str(bundle), f"--out={out}", "--data", str(rows)]) == 0
        assert (tmp_path / out / "predict.py").is_file()

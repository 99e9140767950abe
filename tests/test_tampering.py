"""Single changes to what edgepress wrote: the command that reads it finds each of them."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from compress.answers.kept import kept_answers
from compress.cli.main import run
from compress.data.dataset import Dataset
from compress.run.bundle import write_bundle
from compress.run.cache import default_cache
from compress.stage import RunContext
from profiles.baseline import write_baseline
from runtimes.artifact import Artifact
from tests.compress.stand_in import Convert
from tests.compress.tiny_models import make_data
from tests.profiles.test_baseline import stored
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx


class Place(NamedTuple):
    """Hold what an attacker finds."""

    artifact: Path
    bundle: Path
    baseline: Path
    rows: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("made")
    model = tiny_onnx(folder / "model")
    write_baseline(folder / "baseline.json", stored())
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, LABELS[place % 3]) for place, text in enumerate(TEXTS * 4)]
        csv.writer(stream).writerows([("text", "label"), *rows])
    bundle = write_bundle(model, folder / "bundle")
    return Place(model.path, bundle, folder / "baseline.json", folder / "rows.csv")


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    """Return a copy to change."""
    return Place(
        Path(shutil.copytree(made.artifact, tmp_path / "model")),
        Path(shutil.copytree(made.bundle, tmp_path / "bundle")),
        Path(shutil.copyfile(made.baseline, tmp_path / "baseline.json")),
        made.rows,
    )


def flip(path: Path) -> None:
    """Change one bit; size and name stay."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change one value of a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def rotate(manifest: Any) -> None:
    manifest["labels"] = manifest["labels"][1:] + manifest["labels"][:1]


def faster(baseline: Any) -> None:
    baseline["latency_p50_ms"] = [2 * one for one in baseline["latency_p50_ms"]]


def own_predict(place: Place) -> tuple[int, str]:
    """Run the bundle as its user does."""
    command = [sys.executable, str(place.bundle / "predict.py"), "my card"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "" or done.returncode == 0
    return done.returncode, done.stderr


Command = Callable[[Place], list[str]]


def predict(place: Place) -> list[str]:
    return ["predict", str(place.bundle), "my card"]


def verify(place: Place) -> list[str]:
    return ["verify", str(place.artifact)]


def gate(place: Place) -> list[str]:
    rows = ("--data", str(place.rows), "--tier", "quick", "-q")
    return ["gate", str(place.artifact), *rows, "--baseline", str(place.baseline)]


def quantize(place: Place) -> list[str]:
    return [
        "quantize",
        str(place.artifact),
        "--out",
        f"{place.artifact}-8",
        "--train",
        str(place.rows),
    ]


def bundled(place: Place) -> list[str]:
    return ["bundle", str(place.artifact), "--out", f"{place.artifact}-b"]


FOUND: dict[str, tuple[Callable[[Place], object], Command | None, str]] = {
    "bundle: labels rotated": (
        lambda at: edit(at.bundle / "artifact.json", rotate),
        predict,
        "not as it was written",
    ),
    "bundle: labels rotated, its own predict.py": (
        lambda at: edit(at.bundle / "artifact.json", rotate),
        None,
        "not as it was written",
    ),
    "bundle: one bit of the model": (
        lambda at: flip(at.bundle / "model.onnx"),
        None,
        "model.onnx was changed",
    ),
    "bundle: predict.py replaced": (
        lambda at: (at.bundle / "predict.py").write_text("print('billing')\n"),
        predict,
        "predict.py has",
    ),
    "bundle: a module of its code": (
        lambda at: flip(at.bundle / "runtimes" / "predict.py"),
        None,
        "predict.py: not the file that artifact.json lists",
    ),
    "bundle: one bit of the tokenizer": (
        lambda at: flip(at.bundle / "tokenizer.json"),
        predict,
        "tokenizer.json was changed",
    ),
    "artifact: max_length": (
        lambda at: edit(at.artifact / "artifact.json", lambda one: one.update(max_length=1)),
        quantize,
        "not as it was written",
    ),
    "artifact: the model cut off": (
        lambda at: (at.artifact / "model.onnx").write_bytes(b"\0" * 100),
        bundled,
        "model.onnx has 100 bytes",
    ),
    "artifact: a file taken off the list": (
        lambda at: edit(at.artifact / "artifact.json", lambda one: one["files"].popitem()),
        gate,
        "not as it was written",
    ),
    "artifact: precision": (
        lambda at: edit(at.artifact / "artifact.json", lambda one: one.update(precision="int8")),
        verify,
        "not as it was written",
    ),
    "artifact: one bit of the model": (
        lambda at: flip(at.artifact / "model.onnx"),
        gate,
        "model.onnx was changed",
    ),
    "baseline: slower, so that a slow model passes": (
        lambda at: edit(at.baseline, faster),
        gate,
        "not as it was written",
    ),
    "baseline: another model": (
        lambda at: edit(at.baseline, lambda one: one["model"].update(digest="1" * 64)),
        gate,
        "not as it was written",
    ),
}


@pytest.mark.parametrize(("change", "command", "said"), FOUND.values(), ids=FOUND)
def test_a_change_is_found_by_the_command_that_reads_it(
    place: Place,
    change: Callable[[Place], object],
    command: Command | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(place)
    if command is None:
        code, err = own_predict(place)
    else:
        code = run(command(place))
        err = capsys.readouterr().err
    assert (code, said in err) == (2, True), err
    assert "Traceback" not in err


def test_what_was_not_changed_is_taken(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert own_predict(place) == (0, "")
    for command in (predict, verify, bundled):
        assert run(command(place)) == 0, capsys.readouterr().err


def test_cached_answers_that_were_overwritten_are_made_again(tmp_path: Path) -> None:
    """Well-formed ones too: these would make a model of NaN pass."""
    file = tmp_path / "answers.npz"
    right = [np.array([1.0, 2.0], dtype=np.float32)]
    kept_answers(file, 1, lambda: right)
    forged = {"values": right[0][::-1], "ranks": np.array([1]), "sizes": np.array([2])}
    with file.open("wb") as stream:
        np.savez(stream, **forged)  # type: ignore[arg-type]
    assert kept_answers(file, 1, lambda: right) is right


@pytest.mark.parametrize(
    "change",
    [
        lambda made: flip(made.path / "model.onnx"),
        lambda made: edit(made.path / "artifact.json", rotate),
        lambda made: tiny_onnx(made.path, layers=2),
    ],
    ids=["one bit of the model", "labels rotated", "another whole artifact"],
)
def test_a_cached_stage_that_was_changed_is_made_again(
    made: Place, tmp_path: Path, change: Callable[[Artifact], object]
) -> None:
    from runtimes.artifact import open_artifact

    source = open_artifact(made.artifact)
    data: Dataset = make_data()
    context = RunContext(data, None, seed=7, scratch=tmp_path / "scratch")
    cache = default_cache()
    first, _ = cache.make(Convert(), source, context)
    change(first)
    again, cached = cache.make(Convert(), source, context)
    assert (again.digest, cached) == (first.digest, False)

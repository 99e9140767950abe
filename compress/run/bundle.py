"""The folder that is deployed: model, tokenizer, labels and the code that runs them."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any

import runtimes
from compress.answers.folder import folder_answers
from compress.data.dataset import DataSettings, load_inputs
from compress.models.token_table import check_rows
from compress.papers import carry_papers
from compress.run.single import check_out
from compress.storage.sources import sources
from compress.tasks import Answer, task_of
from runtimes.artifact import Artifact, open_artifact, read_artifact
from runtimes.contents import list_files
from runtimes.errors import QualityError
from runtimes.files import new_folder
from runtimes.manifest import write_content
from runtimes.predict import open_predictor
from runtimes.runtime import RUNTIMES, runs_in, runtimes_of
from runtimes.tasks import TASKS, keys_of
from runtimes.texts import TEXT

PREDICT = "predict.py"
_TIMEOUT_S = 3600
_NEAR = 0.01


def bundle(source: Path, out: Path, data: DataSettings | None = None) -> Artifact:
    """Write an artifact's bundle to `out`, and check that it answers rows as the artifact does.

    Raises ArtifactError for what is no whole artifact, UnsupportedError for a format that is not
    deployed, InputError where `out` cannot be written, QualityError when an answer differs.
    """
    artifact = open_artifact(source)
    runtime = runs_in(artifact.format)
    check_out(out, source, size=artifact.size_bytes())
    rows = load_inputs(data, Path(), task_of(artifact.task)).inputs if data else ()
    answers = folder_answers(artifact, source, rows) if rows else []

    def check(folder: Path) -> None:
        if rows:
            check_bundle(folder, runtime, rows, answers)

    return read_artifact(write_bundle(artifact, out, check))


def write_bundle(
    artifact: Artifact,
    target: Path,
    check: Callable[[Path], None] = lambda folder: None,
    recipe: Mapping[str, Any] | None = None,
) -> Path:
    """Write the artifact's deployable files and what runs them to `target`, whole or not at all.

    `check` is given the finished folder, and may refuse it by an exception. `recipe` is added to
    the provenance.
    """
    with new_folder(target) as folder:
        read = (artifact.path / name for name in artifact.task_files())
        for file in (*artifact.model_files(), *read):
            shutil.copyfile(file, folder / file.name)
        carry_papers(artifact, folder)
        classes = _write_code(artifact, folder)
        provenance = {**artifact.provenance, **({"recipe": recipe} if recipe else {})}
        bundled = dataclasses.replace(
            artifact, path=folder, files=list_files(folder), provenance=provenance
        )
        write_content(folder, {**bundled.to_json(), **classes})
        check(folder)
    return target


def check_bundle(folder: Path, runtime: str, rows: Sequence[Any], answers: Sequence[Answer]) -> int:
    """Run predict.py as a user would on every row, and return how many rows it ran.

    Raises QualityError when what it prints is not what the pipeline found, or when a row's token
    ids are not those of `tokenizers`. Scores are left aside, and a vector's numbers may differ by a
    hundredth: last digits depend on the machine and on the number of threads.
    """
    check_rows(read_artifact(folder), rows)
    task = open_predictor(folder, runtime=runtime, bundled=True).task
    wanted = [
        task.shown(answer.tolist(), row, 0) for answer, row in zip(answers, rows, strict=True)
    ]
    one_key = len(keys_of(task)) == 1
    given = _predicted(folder, runtime, [{TEXT: row} if one_key else row for row in rows])
    if len(given) != len(wanted):
        raise QualityError(
            f"{folder / PREDICT} answers {len(given)} of {len(wanted)} rows",
            action="run predict.py there on the same rows",
        )
    pairs = zip(given, json.loads(json.dumps(wanted)), strict=True)
    different = sum(not _same(one, other) for one, other in pairs)
    if different:
        raise QualityError(
            f"{folder / PREDICT} answers otherwise than the pipeline on {different} of"
            f" {len(wanted)} rows",
            action="run predict.py there on the same rows",
        )
    return len(given)


def _predicted(folder: Path, runtime: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return what predict.py prints of each row, whose columns are given, as JSON."""
    source = folder.with_name(f".{folder.name}-rows.jsonl")
    lines = "".join(json.dumps(one) + "\n" for one in rows)
    source.write_text(lines, encoding="utf-8")
    # absolute, and behind "=": no path is taken for an option
    command = [sys.executable, "-B", str(folder.absolute() / PREDICT), f"--rows={source}", "--json"]
    command += [f"--runtime={runtime}"]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=_TIMEOUT_S, check=False
        )
    finally:
        source.unlink(missing_ok=True)
    if done.returncode != 0:
        raise QualityError(
            f"{folder / PREDICT} failed: {done.stderr.strip()[-500:]}",
            action="run predict.py there, to see the whole message",
        )
    # not splitlines, which also parts a text at characters that JSON need not escape
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def _same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values say the same: floats of an object are scores, of a list not."""
    if isinstance(one, dict) and isinstance(other, dict):
        one, other = _without_scores(one), _without_scores(other)
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, abs_tol=_NEAR)
    return bool(one == other)


def _without_scores(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shown.items() if not isinstance(value, float)}


def _write_code(artifact: Artifact, folder: Path) -> dict[str, Any]:
    """Write predict.py and the modules that it runs; return the classes that it is to use.

    With the classes' names a bundle needs no entry points, which its device does not have.
    """
    shutil.copyfile(Path(runtimes.__file__).with_name("launcher.py"), folder / PREDICT)
    backends = {name: RUNTIMES.row(name) for name in runtimes_of(artifact.format)}
    task = TASKS.row(artifact.task)
    for row in ("runtimes.command", "runtimes.request_body", task, *backends.values()):
        _copy_modules(row.partition(":")[0], folder)
    return {"runtimes": backends, "task_class": task}


def _copy_modules(module: str, folder: Path) -> None:
    """Copy a module, what it imports of `runtimes` and of its own package, and their packages."""
    packages = ("runtimes", module.partition(".")[0])
    files = sources(module, packages)
    for parent in {parent for name in files for parent in _parents(name)}:
        files.update(sources(parent, packages))
    for name, source in files.items():
        place = folder.joinpath(*name.split("."))
        target = place / source.name if source.name == "__init__.py" else place.with_suffix(".py")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _parents(module: str) -> Iterator[str]:
    while module := module.rpartition(".")[0]:
        yield module

"""Run a model that edgepress made: open it, and answer a command line.

Every bundle holds a copy. The pipeline measures accuracy and latency with this same code, so the
report describes what runs on the device. Nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimes.contents import check_files
from runtimes.errors import (
    ArtifactError,
    DataError,
    EdgepressError,
    InputError,
    UnsupportedError,
    unexpected,
)
from runtimes.manifest import Manifest, read_manifest
from runtimes.packages import import_package
from runtimes.printing import guarded
from runtimes.registry import imported
from runtimes.rows import STDIN, read_rows
from runtimes.runtime import MOST_THREADS, RUNTIMES, require_loads, runs_in
from runtimes.soundness import Variety, finite
from runtimes.stopping import stops_within
from runtimes.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runtimes.runtime import Feeds, Opened, Outputs, Runtime
    from runtimes.tasks import DeviceTask

_GRACE_S = 1.0
"""How long an answer may take once it is no longer wanted."""


class Predictor:
    """Answer rows one at a time with one opened model; `infer` is what is timed."""

    def __init__(self, task: DeviceTask, opened: Opened) -> None:
        self.task = task
        self.opened = opened
        self.infer = opened.run

    def feeds(self, row: Any) -> Feeds:
        """Return the model's inputs for one row."""
        return self.task.feeds(row)

    def answer(self, row: Any) -> NDArray[np.float32]:
        """Return the model's answer to one row alone; raise AnswerError when it is none."""
        return self.answer_in(self.infer(self.task.feeds(row)))

    def answer_in(self, outputs: Outputs) -> NDArray[np.float32]:
        """Return the answer in a model's outputs; raise AnswerError when it is none."""
        return finite(self.task.answer(outputs))


def open_predictor(
    folder: Path,
    *,
    runtime: str | None = None,
    threads: int = 1,
    manifest: Manifest | None = None,
    bundled: bool = False,
) -> Predictor:
    """Open an artifact folder; `threads` 0 leaves the number to the runtime.

    `manifest` describes a folder that has none yet. The classes that a bundle's manifest names are
    used by the code in it alone (`bundled`); elsewhere only registered ones run.

    Raises ArtifactError when a file is missing or is not the one that the manifest lists,
    UnsupportedError when a package is missing or the runtime does not load the format,
    BackendError when the runtime refuses the model.
    """
    if manifest is None:
        manifest = read_manifest(folder)
        check_files(folder, manifest.files)
    if not bundled:
        manifest = manifest._replace(runtimes={}, task_class="")
    backend = load_runtime(manifest, runtime)
    task = load_task(manifest)
    opened = open_model(folder, manifest, backend, threads)
    return Predictor(make_task(task, folder, manifest, opened), opened)


def load_runtime(manifest: Manifest, name: str | None) -> Runtime:
    """Return the runtime to use, with its packages imported; by default the format's first."""
    import_package("numpy")
    runtime: Runtime = _runtime_class(manifest, name)()
    if manifest.format not in runtime.formats:
        raise UnsupportedError(
            f"runtime {runtime.name!r} does not load format {manifest.format!r}",
            expected=" or ".join(runtime.formats),
            action="run `edgepress export` first",
        )
    for package in runtime.packages:
        import_package(package)
    return runtime


def _runtime_class(manifest: Manifest, name: str | None) -> Any:
    if not manifest.runtimes:
        chosen = name or runs_in(manifest.format)
        require_loads(chosen, manifest.format)
        return RUNTIMES.resolve(chosen)
    chosen = name or next(iter(manifest.runtimes))
    if chosen not in manifest.runtimes:
        raise UnsupportedError(
            f"runtime {chosen!r} is not one that this bundle has",
            expected=" or ".join(manifest.runtimes),
            action="leave --runtime out, or bundle the model for that one",
        )
    return imported(manifest.runtimes[chosen])


def packages(manifest: Manifest, runtime: str | None) -> tuple[str, ...]:
    """Return the packages that run a model; none is imported."""
    loader: Runtime = _runtime_class(manifest, runtime)
    return (*loader.packages, *_task_class(manifest).packages, "numpy")


def load_task(manifest: Manifest) -> type[DeviceTask]:
    """Return the task's class, with its packages imported."""
    task = _task_class(manifest)
    for package in task.packages:
        import_package(package)
    return task


def _task_class(manifest: Manifest) -> type[DeviceTask]:
    row = manifest.task_class
    task: type[DeviceTask] = imported(row) if row else TASKS.resolve(manifest.task)
    return task


def open_model(folder: Path, manifest: Manifest, runtime: Runtime, threads: int) -> Opened:
    """Open a folder's model file in a runtime."""
    model = folder / runtime.formats[manifest.format][0]
    if not model.is_file():
        raise ArtifactError(f"{model}: no such file", action="make or copy the artifact again")
    return runtime.open(model, threads)


def make_task(
    task: type[DeviceTask], folder: Path, manifest: Manifest, opened: Opened
) -> DeviceTask:
    """Make a task for an opened model."""
    return task(folder, manifest, [spec.name for spec in opened.inputs])


class Request(NamedTuple):
    """Hold what a command line asks for: rows, or a file of rows with its column."""

    model: Path
    rows: Sequence[str] = ()
    file: str | None = None
    column: str | None = None
    as_json: bool = False
    top: int = 0
    threads: int = 1
    runtime: str | None = None
    bundled: bool = False


def answer(request: Request) -> None:
    """Print one line a row.

    The row "-" is stdin, a row a line; so is no row at all, unless stdin is a terminal. Raises
    InputError on a request that does not hold together, DataError on an empty row, AnswerError
    when the answers are none, or the same for every row.
    """
    _check(request)
    rows = _rows(request)
    predictor = open_predictor(
        request.model,
        runtime=request.runtime,
        threads=request.threads,
        bundled=request.bundled,
    )
    with stops_within(_GRACE_S):
        for line in _lines(predictor, rows, request):
            print(line, flush=True)


def _rows(request: Request) -> Iterable[Any]:
    if request.rows and list(request.rows) != [STDIN]:
        return request.rows
    rows = read_rows(request.file or STDIN, request.column)
    return rows if request.rows or request.file else _piped(rows)


def _piped(rows: Iterator[Any]) -> Iterable[Any]:
    """Return the rows of stdin, which nobody named; raise InputError when it has none."""
    terminal = sys.stdin is None or sys.stdin.isatty()
    first = None if terminal else next(rows, None)
    if first is None:
        raise InputError(
            "no texts",
            expected="texts, --rows FILE, or - to read stdin, one text a line",
            action="give a text",
        )
    return chain([first], rows)


def _check(request: Request) -> None:
    if request.rows and request.file:
        raise InputError("texts and --rows", expected="one of them", action="leave the other out")
    if STDIN in request.rows and len(request.rows) > 1:
        raise InputError(
            "- among other texts",
            expected="- alone: it reads stdin, a text a line",
            action="leave the other texts out",
        )
    if request.top < 0 or request.threads < 0:
        raise InputError("--top and --threads take a number from 0 up", action="give 0 or more")
    if request.threads > MOST_THREADS:
        raise InputError(
            f"--threads {request.threads}",
            expected=f"{MOST_THREADS} at most",
            action="give the number of cores, or 0",
        )
    if request.top and not request.as_json:
        raise InputError("--top needs --json", action="add --json, or leave --top out")
    if request.column and not request.file:
        raise InputError(
            "--text names a column of --rows FILE", action="add --rows FILE, or leave --text out"
        )


def _lines(predictor: Predictor, rows: Iterable[Any], request: Request) -> Iterable[str]:
    alone = len(request.rows) == 1 and request.rows[0] != STDIN
    seen = Variety()
    for number, row in enumerate(rows, 1):
        if row is None or (isinstance(row, str) and not row.strip()):
            raise DataError(
                f"text {number} is empty; there is nothing to answer", action="leave it out"
            )
        answer = predictor.answer(row)
        seen.saw(row, answer)
        shown = predictor.task.shown(answer, row, request.top)
        if request.as_json:
            yield json.dumps(shown, ensure_ascii=False, allow_nan=False)
        else:
            yield predictor.task.line(shown) + ("" if alone else "\t" + _repeated(row))
    seen.check()


def _repeated(row: Any) -> str:
    """Return a row on one line, without tabs."""
    return " ".join((row if isinstance(row, str) else json.dumps(row)).split())


def parse(arguments: Sequence[str] | None, model: Path) -> Request:
    """Parse the bundle's command line; `model` is the folder by default."""
    parser = argparse.ArgumentParser(
        description="Classify texts: prints label and score, separated by a tab.",
        epilog="exit codes: 0 done, 1 the answers are none (not finite, or all the same),"
        " 2 bad input or something missing, 5 the runtime failed",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("rows", nargs="*", metavar="TEXT", help="a text to classify; - reads stdin")
    add("--model", type=Path, default=model, metavar="FOLDER", help="default: this folder")
    add(
        "--rows",
        dest="file",
        metavar="FILE",
        help="classify a file: a text a line, .csv or .jsonl; - is stdin",
    )
    add("--text", dest="column", metavar="COLUMN", help="the column of --rows (default: text)")
    add("--json", dest="as_json", action="store_true", help="print one JSON object a text")
    add("--top", type=int, default=0, metavar="K", help="with --json: the best K")
    add("--threads", type=int, default=1, metavar="N", help="0: as many as it likes")
    add("--runtime", metavar="NAME", help="default: by the model's format")
    return Request(**vars(parser.parse_args(arguments)), bundled=True)


def main(model: Path, arguments: Sequence[str] | None = None) -> int:
    """Answer a bundle's command line and return its exit code."""
    with guarded():
        try:
            answer(parse(arguments, model))
        except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        except KeyboardInterrupt:
            return 130
        except SystemExit:  # the parser's
            raise
        except BaseException as error:  # whatever a library raises; a panic is no Exception
            known = error if isinstance(error, EdgepressError) else unexpected(error)
            print(f"error: {known}", file=sys.stderr)
            return known.exit_code
    return 0

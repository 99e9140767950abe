"""What a cold start is made of: from the start of a process to a model's first answer.

Every variant is started once a round, in random order, files in the page cache; a round has a bare
interpreter too, and what a variant takes beyond it is compared within the round. CPU time stands
beside the time on the clock: on a busy machine it is the steadier of the two. A process ends at
once after its answer, so that its end is no part of either. The row "files from storage" is the
package by its handler, its files dropped from the page cache before each start, as `validate` does
for its uncached starts; Python's own files stay.

    edgepress bundle MODEL --out bundle
    edgepress package bundle --target zip --out package
    python -m benchmarks.cold_start bundle package --linear package-of-a-linear-model
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import click
import numpy as np

from benchmarks.command import run
from compress.export.ort_export import export_ort
from compress.package.folder import BOOTSTRAP
from compress.serverless.clients import aws_client, aws_variables
from compress.serverless.runtime_api import Invocation, RuntimeApi
from compress.serverless.sandbox import Settings, environment
from runtimes.manifest import read_content, write_content
from runtimes.onnx_c_api import find_library
from runtimes.page_cache import forget, why_kept

TEXT = "my card has not arrived"
PHASES = ("imports", "session", "vocabulary", "first answer")
LONGEST_S = 60.0

_STANDARD = "import contextlib, functools, json, pathlib, re, threading, typing\n"
"""What a package's start does without; most programs in Python import it."""

_END = "\nsys.stdout.flush(); import os; os._exit(0)"
_BARE = "import sys, time; print(time.perf_counter_ns())" + _END
_LIBRARY = (
    "import ctypes, sys, time; ctypes.CDLL(sys.argv[1]); print(time.perf_counter_ns())" + _END
)
_STEPS = (
    """
import sys, time
entered = time.perf_counter_ns()
sys.path[:0] = sys.argv[3:]
from runtimes.manifest import read_manifest
from runtimes.predict import Predictor, load_runtime, load_task, make_task, open_model
folder, runtime = sys.argv[1], sys.argv[2]
manifest = read_manifest(folder)
backend, task = load_runtime(manifest, runtime), load_task(manifest)
laps = [entered, time.perf_counter_ns()]
opened = open_model(folder, manifest, backend, 1)
laps.append(time.perf_counter_ns())
made = make_task(task, folder, manifest, opened)
laps.append(time.perf_counter_ns())
made.shown(Predictor(made, opened).answer(TEXT), TEXT, 0)
print(*laps, time.perf_counter_ns())
""".replace("TEXT", repr(TEXT))
    + _END
)
_IDS = (
    """
import sys, time
sys.path[:0] = sys.argv[3:]
from array import array
from runtimes.manifest import read_manifest
from runtimes.predict import load_runtime, open_model
folder = sys.argv[1]
manifest = read_manifest(folder)
opened = open_model(folder, manifest, load_runtime(manifest, sys.argv[2]), 1)
ids = memoryview(array("q", [2] * 8)).cast("B").cast("q", (1, 8))
print(next(iter(opened.run({spec.name: ids for spec in opened.inputs}).values())).tolist()[0][0])
print(time.perf_counter_ns())
"""
    + _END
)
_HANDLER = (
    """
import sys, time
sys.path[:0] = sys.argv[1:]
import handler
reply = handler.handler({"text": TEXT}, None)
assert reply["statusCode"] == 200, reply
print(time.perf_counter_ns())
""".replace("TEXT", repr(TEXT))
    + _END
)
_NAIVE = (
    """
import sys, time
sys.path[:0] = sys.argv[2:]
import numpy, onnxruntime
from transformers import PreTrainedTokenizerFast
tokenizer = PreTrainedTokenizerFast(tokenizer_file=sys.argv[1] + "/tokenizer.json")
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
encoded = tokenizer(TEXT, return_tensors="np")
fed = {one.name: encoded[one.name].astype(numpy.int64) for one in session.get_inputs()}
session.run(None, fed)[0].argmax()
print(time.perf_counter_ns())
""".replace("TEXT", repr(TEXT))
    + _END
)


@dataclass(frozen=True, slots=True)
class Variant:
    """Name a way to start; the program prints when it was entered and when each phase ended.

    One with a `folder` is a client of the Runtime API, which is served an event there. The files
    of `forgotten` are dropped from the page cache before each start.
    """

    name: str
    command: tuple[str, ...]
    folder: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    forgotten: Path | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Hold one start: the time to the answer, the process's CPU time, and its phases, in ms.

    `read_mb` is what the process read from storage: 0 where the page cache had its files.
    """

    wall_ms: float
    cpu_ms: float
    read_mb: float
    phases_ms: tuple[float, ...]


def _python(name: str, program: str, *arguments: str, options: Sequence[str] = ()) -> Variant:
    return Variant(name, (sys.executable, "-I", "-S", *options, "-c", program, *arguments))


@contextmanager
def variants(bundle: Path, package: Path, linear: Path | None = None) -> Iterator[list[Variant]]:
    """Yield the variants; some need files, which are removed afterwards."""
    function = package / "function"
    inside = function / "bundle"
    site = str(_installed())
    library = str(find_library())
    own = (str(function), str(inside))
    with TemporaryDirectory() as name:
        scratch = Path(name)
        packaged = (str(inside), "onnxruntime-c", *own)
        zipped = (str(inside), "onnxruntime-c", _zipped(inside, scratch), own[0])
        uncompiled = ("-B", "-X", f"pycache_prefix={scratch}/none")
        made = [
            _python("interpreter", _BARE),
            _python("interpreter + ONNX Runtime's library", _LIBRARY, library),
            *_in_c(library, inside / "model.onnx", scratch),
            *_naive(bundle, site),
            _python(
                "numpy, pybind, tokenizers", _STEPS, str(bundle), "onnxruntime", str(bundle), site
            ),
            _python("C API", _STEPS, str(bundle), "onnxruntime-c", str(bundle), site),
            _python("the package's files", _STEPS, *packaged),
            _python("… as .ort", _STEPS, _as_ort(inside, scratch), *packaged[1:]),
            _python("… code in a zip", _STEPS, *zipped),
            _python("… not compiled", _STEPS, *packaged, options=uncompiled),
            _python("… without tokenizer", _IDS, *packaged),
            _python("the package, by its handler", _HANDLER, own[0]),
            _python("… with the modules it leaves out", _STANDARD + _HANDLER, own[0]),
            *_from_storage("the package", function),
            *_clients(function, scratch / "client"),
        ]
        if linear:
            function = linear / "function"
            made += [
                _python("linear, by its handler", _HANDLER, str(function)),
                _python(
                    "linear, with the modules it leaves out", _STANDARD + _HANDLER, str(function)
                ),
                *_from_storage("linear", function),
                *_clients(function, scratch / "client of linear", "linear, "),
            ]
        yield made


def _from_storage(name: str, function: Path) -> list[Variant]:
    """Return the handler's start with the package's files on storage; none where they cannot be."""
    if why_kept(function):
        return []
    warm = _python(f"{name}, files from storage", _HANDLER, str(function))
    return [replace(warm, forgotten=function)]


def _in_c(library: str, model: Path, scratch: Path) -> list[Variant]:
    """Return what a program in C would take at least; none without a compiler, or for .ort."""
    compiler = shutil.which("cc")
    if compiler is None or not model.is_file():
        return []
    program = scratch / "onnx_start"
    source = Path(__file__).with_name("onnx_start.c")
    subprocess.run([compiler, "-O1", "-w", "-o", program, source, "-ldl"], check=True)
    return [Variant("in C, without tokenizer", (str(program), library, str(model)))]


def _naive(bundle: Path, site: str) -> list[Variant]:
    """Return what a hand-made function does; none where transformers is not installed."""
    if find_spec("transformers") is None or not (bundle / "model.onnx").is_file():
        return []
    return [_python("transformers, onnxruntime", _NAIVE, str(bundle), site)]


def _clients(function: Path, scratch: Path, name: str = "") -> list[Variant]:
    """Return the clients of the Runtime API: edgepress's, and AWS's where it is installed."""
    own = (sys.executable, "-I", "-S", str(function / BOOTSTRAP))
    made = [Variant(f"{name}by its own client", own, function)]
    if find_spec("awslambdaric") is not None:
        command = tuple(aws_client([sys.executable]))
        made.append(Variant(f"{name}by awslambdaric", command, function, aws_variables(scratch)))
    return made


def _installed() -> Path:
    """Return the folder of the packages that are installed here."""
    found = find_spec("onnxruntime")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parents[1]


def _as_ort(bundle: Path, scratch: Path) -> str:
    """Return a copy of a bundle whose model was optimized beforehand."""
    folder = scratch / "ort"
    shutil.copytree(bundle, folder)
    export_ort(folder / "model.onnx", folder / "model.ort")
    (folder / "model.onnx").unlink()
    write_content(folder, {**read_content(folder), "format": "ort"})
    return str(folder)


def _zipped(bundle: Path, scratch: Path) -> str:
    """Return a zip of a bundle's code, compiled modules in place of their sources."""
    code = scratch / "code"
    shutil.copytree(bundle / "runtimes", code / "runtimes")
    for cached in sorted(code.rglob("__pycache__/*.pyc")):
        cached.rename(cached.parents[1] / f"{cached.name.partition('.')[0]}.pyc")
    for source in code.rglob("*.py"):
        source.unlink()
    return shutil.make_archive(str(scratch / "code"), "zip", code)


def start(variant: Variant) -> Start:
    """Start a variant's process and wait for its answer."""
    if variant.forgotten:
        forget(variant.forgotten)
    return _served(variant) if variant.folder else _printed(variant)


def _printed(variant: Variant) -> Start:
    with TemporaryFile("w+") as errors:
        began = time.perf_counter_ns()
        with subprocess.Popen(
            variant.command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd="/"
        ) as process:
            assert process.stdout is not None
            said = process.stdout.read()
            cpu_ms, read_mb = _used(process)
        if process.returncode:
            errors.seek(0)
            raise click.ClickException(f"{variant.name}: {errors.read().strip()[-400:]}")
    laps = [int(word) for word in said.splitlines()[-1].split()]
    phases = tuple((b - a) / 1e6 for a, b in pairwise(laps))
    return Start((laps[-1] - began) / 1e6, cpu_ms, read_mb, phases)


def _served(variant: Variant) -> Start:
    """Start a client of the Runtime API with an event waiting; it is killed after its answer."""
    assert variant.folder is not None
    with RuntimeApi() as api:
        event = json.dumps({"text": TEXT}).encode()
        deadline_ms = int((time.time() + LONGEST_S) * 1e3)
        api.offer(Invocation("1", event, deadline_ms, "arn", "Root=1"))
        variables = {**environment(Settings(), variant.folder, api.address), **variant.variables}
        began = time.perf_counter_ns()
        process = subprocess.Popen(
            variant.command, env=variables, cwd=variant.folder, stdout=subprocess.DEVNULL
        )
        said = api.said.get(timeout=LONGEST_S)
        while said.kind == "ready":
            said = api.said.get(timeout=LONGEST_S)
        process.kill()
        cpu_ms, read_mb = _used(process)
    if said.kind != "response" or json.loads(said.body)["statusCode"] != 200:
        raise click.ClickException(f"{variant.name}: {said.kind} {said.body!r}")
    return Start((said.at_ns - began) / 1e6, cpu_ms, read_mb, ())


def _used(process: subprocess.Popen[Any]) -> tuple[float, float]:
    """Wait for a process's end; return its CPU time in ms, and what it read of storage in MB."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return (used.ru_utime + used.ru_stime) * 1e3, used.ru_inblock * 512 / 1e6


def measure(
    bundle: Path, package: Path, starts: int, linear: Path | None = None, only: str = ""
) -> dict[str, Any]:
    """Start every variant so often, one round after the other; `only` those with a word."""
    places = [place.resolve() if place else None for place in (bundle, package, linear)]
    with variants(*places) as known:  # type: ignore[arg-type]
        chosen = [one for one in known if one is known[0] or only in one.name]
        found: dict[str, list[Start]] = {variant.name: [] for variant in chosen}
        for turn in range(-2, starts):
            for variant in random.sample(chosen, len(chosen)):
                one = start(variant)
                if turn >= 0:  # the first two fill the page cache
                    found[variant.name].append(one)
    bare = found[chosen[0].name]
    return {
        "text": TEXT,
        "starts": starts,
        "python": sys.version.split()[0],
        "load": os.getloadavg()[0],
        "cores": len(os.sched_getaffinity(0)),
        "variants": {name: _described(rows, bare) for name, rows in found.items()},
    }


def _described(rows: Sequence[Start], bare: Sequence[Start]) -> dict[str, Any]:
    wall = np.array([row.wall_ms for row in rows])
    cpu = np.array([row.cpu_ms for row in rows])
    beyond = wall - np.array([row.wall_ms for row in bare])
    cpu_beyond = cpu - np.array([row.cpu_ms for row in bare])
    phases = np.array([row.phases_ms for row in rows])
    return {
        "p50_ms": _bounded(wall, 50),
        "p90_ms": _bounded(wall, 90),
        "over_interpreter_p50_ms": _bounded(beyond, 50),
        "cpu_over_interpreter_p50_ms": _bounded(cpu_beyond, 50),
        "read_p50_mb": float(np.median([row.read_mb for row in rows])),
        "phases_p50_ms": dict(zip(PHASES, np.median(phases, axis=0).tolist(), strict=False))
        if phases.size
        else {},
    }


def _bounded(values: Any, percentile: int) -> list[float]:
    """Return a percentile and the 95 % bounds of the percentile bootstrap."""
    draws = np.random.default_rng(7).choice(values, (2000, len(values)))
    lower, upper = np.percentile(np.percentile(draws, percentile, axis=1), [2.5, 97.5])
    return [float(np.percentile(values, percentile)), float(lower), float(upper)]


def table(result: Mapping[str, Any]) -> str:
    """Return the figures for people."""
    lines = [
        f"{result['starts']} starts each, ms; Python {result['python']}; "
        f"{result['cores']} cores, load {result['load']:.1f}"
    ]
    heads = ("p50", "p90", "p50 over bare", "CPU over bare")
    lines.append(f"{'':38}" + "".join(f"{head:>24}" for head in heads))
    for name, row in result["variants"].items():
        keys = ("p50_ms", "p90_ms", "over_interpreter_p50_ms", "cpu_over_interpreter_p50_ms")
        cells = [f"{row[key][0]:.1f} [{row[key][1]:.1f}, {row[key][2]:.1f}]" for key in keys]
        lines.append(f"{name:38}" + "".join(f"{cell:>24}" for cell in cells))
        if row["read_p50_mb"]:
            lines.append(f"{'':38}  {row['read_p50_mb']:.1f} MB read from storage")
        if row["phases_p50_ms"]:
            said = [f"{phase} {ms:.1f}" for phase, ms in row["phases_p50_ms"].items()]
            lines.append(f"{'':38}  {', '.join(said)}")
    return "\n".join(lines)


_PACKAGE = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("bundle", type=_PACKAGE)
@click.argument("package", type=_PACKAGE)
@click.option("--linear", type=_PACKAGE, help="The package of a linear model.")
@click.option("--starts", default=30, show_default=True, type=click.IntRange(2))
@click.option("--core", type=click.IntRange(0), help="Run on this core alone.")
@click.option("--only", default="", help="Start the variants whose names hold this, and the bare.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path))
def main(
    bundle: Path,
    package: Path,
    linear: Path | None,
    starts: int,
    core: int | None,
    only: str,
    json_file: Path | None,
) -> None:
    """Time the cold starts of a bundle and of its package (`--target zip`)."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    run(lambda: measure(bundle, package, starts, linear, only), table, json_file)


if __name__ == "__main__":
    main()

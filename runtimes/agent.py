#!/usr/bin/env python3
"""Run a text classifier that edgepress made: `python predict.py "some text"`.

This file stands alone: it needs numpy, tokenizers and onnxruntime (or openvino), and nothing
of edgepress. A copy lies in every bundle; the pipeline's own accuracy and latency figures come
from this same code, so what was reported is what runs. Nothing is sent anywhere.

Every text is its own batch at its own length, without padding: the activation scales of a
dynamically quantized model depend on the whole batch, so a row's result would otherwise depend
on its neighbours.
"""

from __future__ import annotations

import time

_ENTERED_NS = time.perf_counter_ns()

import argparse  # noqa: E402 - the clock above starts before the imports that it times
import csv  # noqa: E402
import functools  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any, NamedTuple  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MODEL_FILES = {"onnx": "model.onnx", "openvino": "model.xml"}
RUNTIMES = {"onnx": ("onnxruntime", "openvino"), "openvino": ("openvino",)}
"""The runtimes that load each format, the default first."""

PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}


class AgentError(Exception):
    """Report something that the user can mend: exit code 2, no traceback."""


class Backend(NamedTuple):
    """Hold one opened model: `run` maps feeds to logits of shape (batch, labels)."""

    runtime: str
    version: str
    inputs: tuple[str, ...]
    run: Callable[[dict[str, Any]], Any]


class Manifest(NamedTuple):
    """Hold what the agent needs of artifact.json."""

    format: str
    labels: tuple[str, ...]
    max_length: int


class Classifier:
    """Classify texts one at a time with one loaded model."""

    def __init__(self, manifest: Manifest, tokenizer: Any, backend: Backend) -> None:
        self.labels = manifest.labels
        self.max_length = manifest.max_length
        self.backend = backend
        self._tokenizer = tokenizer

    def encode(self, text: str) -> dict[str, Any]:
        """Return the model's inputs for one text: int64 arrays of shape (1, tokens)."""
        import numpy as np

        encoding = self._tokenizer.encode(text)
        rows = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        return {name: np.array([rows[name]], dtype=np.int64) for name in self.backend.inputs}

    def batch(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Stack encoded rows as int64 arrays of shape (rows, longest), masked where padded."""
        import numpy as np

        longest = max(row[name].shape[1] for row in rows for name in row)
        padding = {"input_ids": padding_id(self._tokenizer)}

        def padded(name: str, row: Any) -> Any:
            missing = longest - row.shape[1]
            return np.pad(row, ((0, 0), (0, missing)), constant_values=padding.get(name, 0))

        return {name: np.vstack([padded(name, row[name]) for row in rows]) for name in rows[0]}

    def infer(self, feeds: dict[str, Any]) -> Any:
        """Return the raw logits for encoded feeds; this is what is timed."""
        return self.backend.run(feeds)

    def row(self, output: Any) -> Any:
        """Return the one row of an output as float32 of shape (labels,).

        Raises AgentError when the model has another number of classes than artifact.json.
        """
        import numpy as np

        if output.shape != (1, len(self.labels)):
            raise AgentError(
                f"the model returned shape {output.shape}; with the {len(self.labels)} labels of "
                f"artifact.json it should be (1, {len(self.labels)})"
            )
        return output[0].astype(np.float32)

    def logits(self, text: str) -> Any:
        """Return one text's logits, float32 of shape (labels,)."""
        return self.row(self.infer(self.encode(text)))

    def predict(self, text: str) -> tuple[str, float]:
        """Return the most probable label and its probability."""
        return self.best(self.logits(text))

    def best(self, logits: Any) -> tuple[str, float]:
        """Return the most probable label of one row of logits, and its probability."""
        scores = softmax(logits)
        index = int(scores.argmax())
        return self.labels[index], float(scores[index])


def softmax(logits: Any) -> Any:
    """Return the probabilities, float64 that sum to 1, of one row of logits."""
    import numpy as np

    weights = np.exp(logits.astype(np.float64) - logits.max())
    return weights / weights.sum()


def load(folder: str | Path, threads: int = 1, runtime: str | None = None) -> Classifier:
    """Load an artifact folder; `threads` 0 leaves the number to the runtime.

    Raises AgentError when a file or a package is missing or a file is damaged.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    name = choose_runtime(manifest, runtime)
    import_runtime(name)
    return Classifier(
        manifest, load_tokenizer(folder, manifest), open_backend(folder, manifest, name, threads)
    )


def read_manifest(folder: Path) -> Manifest:
    """Read artifact.json; raise AgentError when it is missing, damaged or of another format."""
    path = folder / "artifact.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(
            str(content["format"]), tuple(content["labels"]), int(content["max_length"])
        )
    except FileNotFoundError:
        raise AgentError(
            f"{path}: no such file; give an artifact folder with --model FOLDER"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AgentError(f"{path}: not an artifact's manifest ({error!r})") from None
    if manifest.format not in MODEL_FILES:
        raise AgentError(
            f"{path}: format {manifest.format!r} does not run here; "
            f"expected {' or '.join(MODEL_FILES)}: run `edgepress export` first"
        )
    return manifest


def choose_runtime(manifest: Manifest, runtime: str | None) -> str:
    """Return the runtime to use; raise AgentError when it does not load the format."""
    known = RUNTIMES[manifest.format]
    if runtime is None:
        return known[0]
    if runtime not in known:
        raise AgentError(
            f"runtime {runtime!r} does not load format {manifest.format!r}; "
            f"expected {' or '.join(known)}"
        )
    return runtime


def load_tokenizer(folder: Path, manifest: Manifest) -> Any:
    """Load tokenizer.json, truncating at the model's length and never padding."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise AgentError(f"{path}: no such file")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise AgentError(f"{path}: cannot be read ({first_line(error)})") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(manifest.max_length)
    return tokenizer


def padding_id(tokenizer: Any) -> int:
    """Return the token that pads; 0 for a tokenizer without one."""
    known = [tokenizer.token_to_id(name) for name in ("[PAD]", "<pad>")]
    return next((number for number in known if number is not None), 0)


def open_backend(folder: Path, manifest: Manifest, runtime: str, threads: int) -> Backend:
    """Open the model in a runtime; raise AgentError when the runtime refuses it."""
    model = folder / MODEL_FILES[manifest.format]
    if not model.is_file():
        raise AgentError(f"{model}: no such file")
    try:
        backend = _OPENERS[runtime](model, threads)
    except Exception as error:  # each runtime raises its own types
        raise AgentError(f"{model}: {runtime} cannot load it ({first_line(error)})") from error
    unknown = set(backend.inputs) - {"input_ids", "attention_mask", "token_type_ids"}
    if unknown:
        raise AgentError(f"{model}: has the input {sorted(unknown)[0]!r}, which no tokenizer makes")
    return backend


def import_runtime(name: str) -> Any:
    """Import a runtime's package with its telemetry off, and return the module.

    Raises AgentError, naming the package to install, when it is missing.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import numpy  # noqa: F401
        import tokenizers  # noqa: F401

        return import_openvino() if name == "openvino" else import_onnxruntime()
    except ModuleNotFoundError as error:
        package = PACKAGES.get(str(error.name), error.name)
        raise AgentError(
            f"the Python package {error.name!r} is missing; install it: "
            f"{sys.executable} -m pip install {package}"
        ) from None


def import_onnxruntime() -> Any:
    """Import onnxruntime; its Windows builds would otherwise send usage events."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def import_openvino() -> Any:
    """Import openvino without openvino_telemetry.

    `import openvino` sends an event and writes below the home folder as soon as that package
    can be imported; where it cannot, openvino (and nncf) use a stub that does nothing. None in
    sys.modules is Python's way to say that a module cannot be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def open_onnxruntime(model: Path, threads: int) -> Any:
    """Open an onnxruntime.InferenceSession on the CPU, `threads` within an operator."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    # The pool's spinning stays on, as ONNX Runtime has it. With 1 thread there is no pool. With 2,
    # fp32 MiniLM-L6 took 3.1 ms spinning and 4.3 ms not when the cores were free, 22 and 14 ms
    # when others used them too, and 1.6 times the CPU time: a reason to keep 1 on shared cores.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(model), sess_options=options, providers=["CPUExecutionProvider"]
    )


@functools.lru_cache(maxsize=1)
def openvino_core() -> Any:
    """Return the process's one openvino.Core, which is never freed.

    Its CPU plugin gives the thread a stack for signals and takes it back when it is freed. When
    two Cores go in the order in which they came, the thread is left with a freed stack, and the
    next signal, a Ctrl-C say, ends Python with a segmentation fault (seen in 2026.4).
    """
    return import_openvino().Core()


def read_openvino(model: Path) -> Any:
    """Read an IR or ONNX file into an openvino.Model, which is not yet compiled."""
    return openvino_core().read_model(model)


def compile_openvino(network: Any, threads: int) -> Any:
    """Compile a model for OpenVINO's CPU device, for one request at a time, in fp32."""
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "PERFORMANCE_HINT_NUM_REQUESTS": 1,
        # Without this an aarch64 or AMX machine computes in fp16 or bf16 and its results differ
        # from those that were validated. Integer layers stay integer.
        "INFERENCE_PRECISION_HINT": "f32",
        # Pinned threads wait for their core when another process has it (fp32 MiniLM-L6, 2 threads
        # on 2 busy cores: p50 31 ms pinned, 17 ms not), and two models would pin to the same core.
        "ENABLE_CPU_PINNING": False,
    }
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    return openvino_core().compile_model(network, "CPU", settings)


def first_line(error: BaseException) -> str:
    """Return the first line of a vendor's message that says what is wrong, shortened.

    OpenVINO's messages begin with its source files and the condition that failed.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return next(iter(telling or lines), type(error).__name__)[:300]


def _onnxruntime_backend(model: Path, threads: int) -> Backend:
    session = open_onnxruntime(model, threads)
    outputs = [output.name for output in session.get_outputs()]
    wanted = ["logits" if "logits" in outputs else outputs[0]]
    inputs = tuple(node.name for node in session.get_inputs())
    version = import_onnxruntime().__version__
    return Backend("onnxruntime", version, inputs, lambda feeds: session.run(wanted, feeds)[0])


def _openvino_backend(model: Path, threads: int) -> Backend:
    compiled = compile_openvino(read_openvino(model), threads)
    local = threading.local()  # a request serves one thread at a time
    local.request = compiled.create_infer_request()
    named = [port for port in compiled.outputs if "logits" in port.names]
    output = (named or compiled.outputs)[0]
    inputs = tuple(port.any_name for port in compiled.inputs)
    version = import_openvino().__version__.split("-")[0]

    def run(feeds: dict[str, Any]) -> Any:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        return local.request.infer(feeds, share_inputs=True)[output]

    return Backend("openvino", version, inputs, run)


_OPENERS = {"onnxruntime": _onnxruntime_backend, "openvino": _openvino_backend}


# --- the command line ---------------------------------------------------------------------------


def read_rows(source: str, column: str | None) -> Iterator[str]:
    """Yield the texts of a file: one a line, or a column of .csv or .jsonl; `-` is stdin."""
    if source == "-":
        yield from (line.rstrip("\r\n") for line in sys.stdin)
        return
    path = Path(source)
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from readers.get(path.suffix.lower(), _text_rows)(stream, path, column)
    except OSError as error:
        raise AgentError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AgentError(f"{path}: not UTF-8 text; convert it first") from None


def _text_rows(stream: Iterable[str], path: Path, column: str | None) -> Iterator[str]:
    if column is not None:
        raise AgentError(f"--text {column}: {path} is read one text a line and has no columns")
    yield from (line.rstrip("\r\n") for line in stream)


def _csv_rows(stream: Iterable[str], path: Path, column: str | None) -> Iterator[str]:
    for row in csv.DictReader(stream):
        yield _pick(row, path, column)


def _jsonl_rows(stream: Iterable[str], path: Path, column: str | None) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            row = json.loads(line)
        except ValueError:
            raise AgentError(f"{path}, line {number}: not JSON") from None
        yield _pick(row if isinstance(row, dict) else {}, path, column)


def _pick(row: dict[str, Any], path: Path, column: str | None) -> str:
    name = column or "text"
    if name not in row:
        raise AgentError(
            f"{path}: no column {name!r}; its columns are "
            f"{', '.join(map(str, row)) or 'none'}; choose one with --text COLUMN"
        )
    return str(row[name] or "")


def classify(classifier: Classifier, texts: Iterable[str], arguments: argparse.Namespace) -> None:
    """Print one line a text."""
    alone = not arguments.rows and len(arguments.texts) == 1
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise AgentError(f"text {number} is empty; there is nothing to classify")
        scores = softmax(classifier.logits(text))
        order = scores.argsort(kind="stable")[::-1][: max(arguments.top, 1)]
        ranked = [(classifier.labels[i], round(float(scores[i]), 6)) for i in order]
        print(_line(ranked, text, arguments, alone), flush=True)


def _line(
    ranked: Sequence[tuple[str, float]], text: str, arguments: argparse.Namespace, alone: bool
) -> str:
    label, score = ranked[0]
    if not arguments.json:
        cells = [label, f"{score:.4f}"] + ([] if alone else [" ".join(text.split())])
        return "\t".join(cells)
    content: dict[str, Any] = {"label": label, "score": score, "text": text}
    if arguments.top:
        content["top"] = [{"label": name, "score": value} for name, value in ranked]
    return json.dumps(content, ensure_ascii=False)


# --- the measuring worker -----------------------------------------------------------------------


class Worker:
    """Answer the measuring protocol: a JSON object a line in, one a line out.

    `load` loads the model and makes a first result, `texts` encodes rows once, `warm` runs until
    stable, `run` times single-row inferences, `throughput` counts rows under a load, `peak`
    reports memory.
    """

    def __init__(self, arguments: argparse.Namespace, started_ns: int) -> None:
        self._arguments = arguments
        self._started_ns = started_ns
        self._classifier: Classifier | None = None
        self._feeds: list[dict[str, Any]] = []

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what one request asks."""
        commands: dict[str, Callable[..., dict[str, Any]]] = {
            "load": self.load,
            "texts": self.texts,
            "warm": self.warm,
            "run": self.run,
            "throughput": self.throughput,
            "peak": lambda: {"rss_peak_mb": peak_rss_mb()},
        }
        do = request.pop("do", None)
        if do not in commands:
            raise AgentError(f"unknown request {do!r}; expected {', '.join(commands)}")
        return commands[do](**request)

    def load(self, text: str) -> dict[str, Any]:
        """Load everything and classify one text; report how long each step took, in ms."""
        clock = _Clock()
        folder = Path(self._arguments.model)
        manifest = read_manifest(folder)
        runtime = choose_runtime(manifest, self._arguments.runtime)
        import_runtime(runtime)
        imports_ms = clock.lap_ms()
        tokenizer = load_tokenizer(folder, manifest)
        load_ms = clock.lap_ms()
        backend = open_backend(folder, manifest, runtime, self._arguments.threads)
        session_ms = clock.lap_ms()
        self._classifier = Classifier(manifest, tokenizer, backend)
        feeds = self._classifier.encode(text)
        encode_ms = clock.lap_ms()
        output = self._classifier.infer(feeds)
        first_inference_ms = clock.lap_ms()
        self._classifier.best(self._classifier.row(output))
        return {
            "runtime": runtime,
            "version": backend.version,
            "python": sys.version.split()[0],
            "interpreter_ms": (_ENTERED_NS - self._started_ns) / 1e6,
            "imports_ms": imports_ms,
            "load_ms": load_ms,
            "session_ms": session_ms,
            "first_inference_ms": first_inference_ms,
            "first_result_ms": encode_ms + first_inference_ms + clock.lap_ms(),
            "total_ms": (time.perf_counter_ns() - self._started_ns) / 1e6,
            "read_mb": read_mb(),
        }

    def texts(self, texts: list[str]) -> dict[str, Any]:
        """Encode the rows that later requests name by index."""
        self._feeds = [self._loaded().encode(text) for text in texts]
        gc.collect()
        gc.freeze()  # what lives now stays; later collections need not look at it
        return {"tokens": [int(feeds["input_ids"].shape[1]) for feeds in self._feeds]}

    def warm(self, runs: int, seconds: float, limit_s: float) -> dict[str, Any]:
        """Run blocks of the same rows until their last three medians agree within 2 %."""
        infer = self._loaded().infer
        rows = [self._feeds[i % len(self._feeds)] for i in range(max(runs, 1))]
        start, medians, inference_ms = time.perf_counter(), [], 0.0
        while True:
            samples = [timed(infer, feeds)[0] for feeds in rows]
            medians.append(_median(samples))
            inference_ms += sum(samples)
            last, elapsed = medians[-3:], time.perf_counter() - start
            stable = len(last) == 3 and max(last) <= 1.02 * min(last)
            if (stable and elapsed >= seconds) or elapsed >= limit_s:
                said = {"medians_ms": medians, "stable": stable}
                return {**said, "inference_s": inference_ms / 1e3}

    def run(self, rows: list[int]) -> dict[str, Any]:
        """Time one inference for each named row, the garbage collector off."""
        infer = self._loaded().infer
        feeds = [self._feeds[row] for row in rows]
        before = probe_ms()
        gc.collect()
        gc.disable()
        state = self._machine.state()
        try:
            samples = [timed(infer, one) for one in feeds]
        finally:
            gc.enable()
        return {
            "latency_ms": [latency for latency, _ in samples],
            "contaminated": [flag for _, flag in samples],
            **self._machine.evidence(state),
            "probe_ms": [before, probe_ms()],
        }

    def throughput(
        self, batch: int, concurrency: int, seconds: float, rows: list[int]
    ) -> dict[str, Any]:
        """Count the rows that `concurrency` threads classify in a second, `batch` at a time.

        The model stays as it was opened for single rows. Each thread goes through all batches,
        again until `seconds` have passed, so that every model meets the same mix of lengths; the
        widest batch warms it up.
        """
        from concurrent.futures import ThreadPoolExecutor

        classifier = self._loaded()
        chosen = [self._feeds[row] for row in rows]
        chosen = (chosen * batch)[: max(len(chosen) // batch, 1) * batch]
        batches = [classifier.batch(chosen[i : i + batch]) for i in range(0, len(chosen), batch)]
        start = time.perf_counter()
        with ThreadPoolExecutor(concurrency) as pool:
            callers = [
                pool.submit(_batches_per_s, classifier.infer, batches, seconds)
                for _ in range(concurrency)
            ]
            try:
                per_s = sum(caller.result() for caller in callers)
            except Exception as error:  # each runtime raises its own types
                said = first_line(error)
                raise AgentError(f"{concurrency} callers of {batch} rows: {said}") from error
        return {"rows_per_s": per_s * batch, "inference_s": time.perf_counter() - start}

    @functools.cached_property
    def _machine(self) -> Machine:
        return Machine()  # not before it is asked for: a cold start has no use for it

    def _loaded(self) -> Classifier:
        if self._classifier is None:
            raise AgentError("the first request must be load")
        return self._classifier


def timed(infer: Callable[[dict[str, Any]], Any], feeds: dict[str, Any]) -> tuple[float, bool]:
    """Time one inference in ms, and tell whether the process was preempted or waited in it.

    All threads of the process count: a preempted pool thread delays the result as much.
    """
    preempted, cpu = preemptions(), time.process_time_ns()
    start = time.perf_counter_ns()
    infer(feeds)
    wall = time.perf_counter_ns() - start
    cpu = time.process_time_ns() - cpu
    return wall / 1e6, preemptions() > preempted or wall > 1.1 * cpu


def _batches_per_s(
    infer: Callable[[dict[str, Any]], Any], batches: Sequence[dict[str, Any]], seconds: float
) -> float:
    infer(max(batches, key=lambda feeds: max(array.shape[1] for array in feeds.values())))
    start, done, elapsed = time.perf_counter(), 0, 0.0
    while not done or elapsed < seconds:
        for feeds in batches:
            infer(feeds)
        done += len(batches)
        elapsed = time.perf_counter() - start
    return done / elapsed


def preemptions() -> int:
    """Return the process's involuntary context switches so far; 0 where it is not counted."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def probe_ms() -> float:
    """Time a fixed piece of integer arithmetic: the least of five, in ms.

    It touches neither the model nor memory, so a change says that the processor's pace changed.
    The least, since a piece that was preempted says nothing about the pace.
    """
    return min(_probe_once_ms() for _ in range(5))


def _probe_once_ms() -> float:
    start = time.perf_counter_ns()
    total = 0
    for i in range(10_000):
        total += i * i
    return (time.perf_counter_ns() - start) / 1e6


class State(NamedTuple):
    """Hold the machine's counters at one moment: throttlings, stolen and all ticks of its CPUs."""

    throttlings: int
    stolen: int | None
    ticks: int


class Machine:
    """Read what the machine shows of itself: throttling, its clock, time kept by its host.

    Its files are opened once. `root` holds `sys` and `proc`.
    """

    def __init__(self, root: str | Path = "/") -> None:
        root = Path(root)
        self._cpus = root / "sys/devices/system/cpu"
        counters = self._cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
        self._counters = [_opened(path) for path in sorted(counters)]
        firmware = (root / "sys/devices/platform").glob("soc*/soc*:firmware/get_throttled")
        self._raspberry = [_opened(path) for path in firmware]
        coolers = (root / "sys/class/thermal").glob("cooling_device*/type")
        self._slowed = [
            _opened(path.with_name("cur_state"))
            for path in sorted(coolers)
            if "cpufreq" in _read(_opened(path))
        ]
        self._times = _opened(root / "proc/stat")
        self._own = _opened(root / "proc/self/stat")
        self._clocks: dict[str, int | None] = {}

    def state(self) -> State:
        """Read the counters; `evidence` compares with them."""
        throttlings = sum(_number(_read(counter)) for counter in self._counters)
        ticks = [int(value) for value in _read(self._times).partition("\n")[0].split()[1:9]]
        return State(throttlings, ticks[7] if len(ticks) == 8 else None, sum(ticks))

    def evidence(self, before: State) -> dict[str, Any]:
        """Tell what happened since: `throttled`, the clock in `mhz`, the share of `steal`."""
        now = self.state()
        ticks = now.ticks - before.ticks
        stolen = None if now.stolen is None or before.stolen is None else now.stolen - before.stolen
        return {
            "throttled": now.throttlings > before.throttlings or self._held_back(),
            "mhz": self._mhz(),
            "steal": None if stolen is None or ticks <= 0 else stolen / ticks,
        }

    def _held_back(self) -> bool:
        """Tell whether the kernel, or a Raspberry Pi's firmware, caps the clock now.

        The kernel cools with a state above 0 of a device that slows the CPU. Bits 1 to 3 of the
        firmware's word: frequency capped, throttled, soft limit of temperature.
        """
        cooled = any(_number(_read(state)) for state in self._slowed)
        return cooled or any(_number(_read(word), 16) & 0b1110 for word in self._raspberry)

    def _mhz(self) -> float | None:
        """Return the clock of the CPU that the process was last seen on."""
        fields = _read(self._own).rpartition(")")[2].split()
        if len(fields) < 37:
            return None
        cpu = fields[36]
        if cpu not in self._clocks:
            self._clocks[cpu] = _opened(self._cpus / f"cpu{cpu}/cpufreq/scaling_cur_freq")
        khz = _read(self._clocks[cpu]).strip()
        return int(khz) / 1e3 if khz.isdigit() else None


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _read(file: int | None) -> str:
    """Return a small file's present text, empty where there is none."""
    if file is None:
        return ""
    try:
        return os.pread(file, 4096, 0).decode("ascii", errors="replace")
    except OSError:
        return ""


def _number(text: str, base: int = 10) -> int:
    """Return the number that a file holds; 0 where it is absent or holds none."""
    try:
        return int(text, base)
    except ValueError:
        return 0


def read_mb() -> float | None:
    """Return what this process has read from storage, in MB (10^6 bytes); None where unknown."""
    try:
        text = Path("/proc/self/io").read_text(encoding="ascii")
    except OSError:
        return None
    counts = dict(line.split(": ") for line in text.splitlines())
    return int(counts["read_bytes"]) / 1e6


def peak_rss_mb() -> float | None:
    """Return this process's peak resident memory in MB (10^6 bytes), None where unknown.

    VmHWM starts anew at exec, getrusage's maximum does not: it may be the parent's.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    kib = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kib[0]) * 1024 / 1e6 if kib else None


def started_ns(spawned: int | None) -> int:
    """Return when this process was started, on perf_counter's clock.

    `spawned` is the parent's own reading (one clock for all processes of a machine). Without it
    the kernel's figure serves, in ticks of 10 ms.
    """
    if spawned is not None:
        return spawned
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        since_boot_ns = int(fields[19]) * 10**9 // os.sysconf("SC_CLK_TCK")
        age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - since_boot_ns
    except (OSError, AttributeError, IndexError, ValueError):
        return _ENTERED_NS
    return time.perf_counter_ns() - age_ns


def serve(arguments: argparse.Namespace) -> None:
    """Answer requests from stdin until it ends, then end the process at once.

    Python's own way out frees the session piece by piece: 50 ms that no figure needs.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not land between the replies
    worker = Worker(arguments, started_ns(arguments.spawned))
    for line in sys.stdin:
        try:
            reply = worker.answer(json.loads(line))
        except AgentError as error:
            reply = {"error": str(error)}
        print(json.dumps(reply), file=replies, flush=True)
    os._exit(0)


class _Clock:
    def __init__(self) -> None:
        self._last_ns = time.perf_counter_ns()

    def lap_ms(self) -> float:
        now_ns = time.perf_counter_ns()
        lap = (now_ns - self._last_ns) / 1e6
        self._last_ns = now_ns
        return lap


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


# --- main ---------------------------------------------------------------------------------------


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description="Classify texts: prints label and score, separated by a tab.",
        epilog="exit codes: 0 done, 2 bad input or something missing",
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a text to classify")
    parser.add_argument(
        "--model",
        default=str(Path(__file__).resolve().parent),
        metavar="FOLDER",
        help="the artifact folder (default: where this file is)",
    )
    parser.add_argument(
        "--rows", metavar="FILE", help="classify a file: a text a line, .csv or .jsonl; - is stdin"
    )
    parser.add_argument("--text", metavar="COLUMN", help="the column of --rows (default: text)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a text")
    parser.add_argument("--top", type=int, default=0, metavar="K", help="with --json: the best K")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="0: as many as it likes"
    )
    parser.add_argument(
        "--runtime", choices=sorted(_OPENERS), help="default: by the model's format"
    )
    parser.add_argument("--serve", action="store_true", help="answer the measuring protocol")
    parser.add_argument("--spawned", type=int, metavar="NS", help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    if not parsed.serve and bool(parsed.texts) == bool(parsed.rows):
        parser.error("give texts, or a file with --rows")
    if parsed.top < 0 or parsed.threads < 0:
        parser.error("--top and --threads take a number from 0 up")
    if parsed.top and not parsed.json:
        parser.error("--top needs --json")
    if parsed.text and not parsed.rows:
        parser.error("--text names a column of --rows FILE")
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parsed = parse(arguments)
    try:
        if parsed.serve:
            serve(parsed)
        else:
            texts = read_rows(parsed.rows, parsed.text) if parsed.rows else parsed.texts
            classify(load(parsed.model, parsed.threads, parsed.runtime), texts, parsed)
    except AgentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

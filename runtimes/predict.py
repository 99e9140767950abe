"""Run a model that edgepress made: load it, and answer a command line.

A copy lies in every bundle; the pipeline's own accuracy and latency figures come from this same
code, so what was reported is what runs. Nothing is sent anywhere.

Every text is its own batch at its own length, without padding: the activation scales of a
dynamically quantized model depend on the whole batch, so a row's result would otherwise depend
on its neighbours.
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimes.errors import (
    ArtifactError,
    BackendError,
    DataError,
    EdgepressError,
    InputError,
    UnsupportedError,
    first_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MODEL_FILES = {"onnx": "model.onnx", "openvino": "model.xml"}
RUNTIMES = {"onnx": ("onnxruntime", "openvino"), "openvino": ("openvino",)}
"""The runtimes that load each format, the default first."""

PACKAGES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}


class Backend(NamedTuple):
    """Hold one opened model: `run` maps feeds to logits of shape (batch, labels)."""

    runtime: str
    version: str
    inputs: tuple[str, ...]
    run: Callable[[dict[str, Any]], Any]


class Manifest(NamedTuple):
    """Hold what running needs of artifact.json."""

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

        Raises BackendError when the model has another number of classes than artifact.json.
        """
        import numpy as np

        if output.shape != (1, len(self.labels)):
            raise BackendError(
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

    Raises ArtifactError when a file or a package is missing or a file is damaged.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    name = choose_runtime(manifest, runtime)
    import_runtime(name)
    return Classifier(
        manifest, load_tokenizer(folder, manifest), open_backend(folder, manifest, name, threads)
    )


def read_manifest(folder: Path) -> Manifest:
    """Read artifact.json; raise ArtifactError when it is missing, damaged or of another format."""
    path = folder / "artifact.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(
            str(content["format"]), tuple(content["labels"]), int(content["max_length"])
        )
    except FileNotFoundError:
        raise ArtifactError(
            f"{path}: no such file; give an artifact folder with --model FOLDER"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: not an artifact's manifest ({error!r})") from None
    if manifest.format not in MODEL_FILES:
        raise UnsupportedError(
            f"{path}: format {manifest.format!r} does not run here; "
            f"expected {' or '.join(MODEL_FILES)}: run `edgepress export` first"
        )
    return manifest


def choose_runtime(manifest: Manifest, runtime: str | None) -> str:
    """Return the runtime to use; raise UnsupportedError when it does not load the format."""
    known = RUNTIMES[manifest.format]
    if runtime is None:
        return known[0]
    if runtime not in known:
        raise UnsupportedError(
            f"runtime {runtime!r} does not load format {manifest.format!r}; "
            f"expected {' or '.join(known)}"
        )
    return runtime


def load_tokenizer(folder: Path, manifest: Manifest) -> Any:
    """Load tokenizer.json, truncating at the model's length and never padding."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ArtifactError(f"{path}: cannot be read ({first_line(error)})") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(manifest.max_length)
    return tokenizer


def padding_id(tokenizer: Any) -> int:
    """Return the token that pads; 0 for a tokenizer without one."""
    known = [tokenizer.token_to_id(name) for name in ("[PAD]", "<pad>")]
    return next((number for number in known if number is not None), 0)


def open_backend(folder: Path, manifest: Manifest, runtime: str, threads: int) -> Backend:
    """Open the model in a runtime; raise BackendError when the runtime refuses it."""
    model = folder / MODEL_FILES[manifest.format]
    if not model.is_file():
        raise ArtifactError(f"{model}: no such file")
    try:
        backend = _OPENERS[runtime](model, threads)
    except Exception as error:  # each runtime raises its own types
        raise BackendError(f"{model}: {runtime} cannot load it ({first_line(error)})") from error
    unknown = set(backend.inputs) - {"input_ids", "attention_mask", "token_type_ids"}
    if unknown:
        raise UnsupportedError(
            f"{model}: has the input {sorted(unknown)[0]!r}, which no tokenizer makes"
        )
    return backend


def import_runtime(name: str) -> Any:
    """Import a runtime's package with its telemetry off, and return the module.

    Raises UnsupportedError, naming the package to install, when it is missing.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import numpy  # noqa: F401
        import tokenizers  # noqa: F401

        return import_openvino() if name == "openvino" else import_onnxruntime()
    except ModuleNotFoundError as error:
        package = PACKAGES.get(str(error.name), error.name)
        raise UnsupportedError(
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
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text; convert it first") from None


def _text_rows(stream: Iterable[str], path: Path, column: str | None) -> Iterator[str]:
    if column is not None:
        raise InputError(f"--text {column}: {path} is read one text a line and has no columns")
    yield from (line.rstrip("\r\n") for line in stream)


def _csv_rows(stream: Iterable[str], path: Path, column: str | None) -> Iterator[str]:
    for row in csv.DictReader(stream):
        yield _pick(row, path, column)


def _jsonl_rows(stream: Iterable[str], path: Path, column: str | None) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            row = json.loads(line)
        except ValueError:
            raise DataError(f"{path}, line {number}: not JSON") from None
        yield _pick(row if isinstance(row, dict) else {}, path, column)


def _pick(row: dict[str, Any], path: Path, column: str | None) -> str:
    name = column or "text"
    if name not in row:
        raise DataError(
            f"{path}: no column {name!r}; its columns are "
            f"{', '.join(map(str, row)) or 'none'}; choose one with --text COLUMN"
        )
    return str(row[name] or "")


def classify(classifier: Classifier, texts: Iterable[str], arguments: argparse.Namespace) -> None:
    """Print one line a text."""
    alone = not arguments.rows and len(arguments.texts) == 1
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise DataError(f"text {number} is empty; there is nothing to classify")
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


def parse(arguments: Sequence[str] | None, model: Path | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description="Classify texts: prints label and score, separated by a tab.",
        epilog="exit codes: 0 done, 2 bad input or something missing, 5 the runtime failed",
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a text to classify")
    parser.add_argument(
        "--model",
        default=model,
        required=model is None,
        metavar="FOLDER",
        help="the artifact folder (default: where predict.py is)",
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
    parsed = parser.parse_args(arguments)
    if bool(parsed.texts) == bool(parsed.rows):
        parser.error("give texts, or a file with --rows")
    if parsed.top < 0 or parsed.threads < 0:
        parser.error("--top and --threads take a number from 0 up")
    if parsed.top and not parsed.json:
        parser.error("--top needs --json")
    if parsed.text and not parsed.rows:
        parser.error("--text names a column of --rows FILE")
    return parsed


def main(arguments: Sequence[str] | None = None, model: Path | None = None) -> int:
    """Run the command line and return its exit code; `model` is the folder by default."""
    parsed = parse(arguments, model)
    try:
        texts = read_rows(parsed.rows, parsed.text) if parsed.rows else parsed.texts
        classify(load(parsed.model, parsed.threads, parsed.runtime), texts, parsed)
    except EdgepressError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return 130
    return 0

"""A process that loads a model step by step and says after each what memory it holds.

`python -m compress.explain.memory_steps FOLDER RUNTIME THREADS`, with a JSON list of texts on
stdin; prints a JSON list of steps. It imports the bundle's own code and nothing else, so that
what it holds is what a deployed process holds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from runtimes import predict
from runtimes.errors import EdgepressError


def main(folder: str, runtime: str, threads: str) -> int:
    """Load, classify all texts, print the steps; exit with the error's code."""
    texts = json.load(sys.stdin)
    try:
        print(json.dumps(steps(Path(folder), runtime, int(threads), texts)))
    except EdgepressError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def steps(folder: Path, runtime: str, threads: int, texts: list[str]) -> list[dict[str, Any]]:
    """Return what was held after each step, in MB (10^6 bytes)."""
    manifest = predict.read_manifest(folder)
    found = [_held("interpreter")]
    predict.import_runtime(runtime)
    found.append(_held("imports"))
    tokenizer = predict.load_tokenizer(folder, manifest)
    found.append(_held("tokenizer"))
    backend = predict.open_backend(folder, manifest, runtime, threads)
    found.append(_held("session"))
    classifier = predict.Classifier(manifest, tokenizer, backend)
    classifier.logits(texts[0])
    found.append(_held("first inference"))
    for text in texts:
        classifier.logits(text)
    found.append(_held("all rows"))
    return found


def _held(step: str) -> dict[str, Any]:
    """Read /proc/self/status: resident now, its highest so far, and how much of it is files."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)

    def mb(name: str) -> float:
        return int(fields.get(name, "0 kB").split()[0]) * 1024 / 1e6

    return {
        "step": step,
        "rss_mb": mb("VmRSS"),
        "peak_mb": mb("VmHWM"),
        "file_mb": mb("RssFile"),
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

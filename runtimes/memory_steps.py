"""What memory a process holds after each step of loading a model.

Only what runs the bundle's own code is loaded by then, so that what the process holds is what a
deployed one holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtimes import predict


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

"""The memory that a process holds after each step of loading a model.

Only the bundle's own code is loaded by then, so the process holds what a deployed one holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtimes.manifest import Manifest
from runtimes.predict import Predictor, load_runtime, load_task, make_task, open_model


def steps(
    folder: Path, manifest: Manifest, runtime: str, threads: int, rows: list[Any]
) -> list[dict[str, Any]]:
    """Return the memory held after each step, in MB (10^6 bytes)."""
    rows_held = [_held("interpreter")]
    backend = load_runtime(manifest, runtime)
    task_class = load_task(manifest)
    rows_held.append(_held("imports"))
    opened = open_model(folder, manifest, backend, threads)
    rows_held.append(_held("session"))
    task = make_task(task_class, folder, manifest, opened)
    rows_held.append(_held("tokenizer"))
    predictor = Predictor(task, opened)
    predictor.answer(rows[0])
    rows_held.append(_held("first inference"))
    for row in rows:
        predictor.answer(row)
    rows_held.append(_held("all rows"))
    return rows_held


def _held(step: str) -> dict[str, Any]:
    """Read /proc/self/status: memory resident now, its peak, and the part that is mapped files."""
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

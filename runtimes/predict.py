"""Run a model that edgepress made: open it, and answer rows.

Every bundle holds a copy. The pipeline measures accuracy and latency with this same code, so the
report describes what runs on the device. Nothing is sent anywhere.
"""

from __future__ import annotations

import os

from runtimes.errors import ArtifactError, UnsupportedError
from runtimes.lean_typing import TYPE_CHECKING
from runtimes.manifest import Manifest, read_manifest
from runtimes.packages import import_package, require_packages
from runtimes.registry import imported
from runtimes.runtime import RUNTIMES, require_loads, runs_in
from runtimes.soundness import finite
from runtimes.tasks import TASKS, needs_of

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from runtimes.runtime import Feeds, Opened, Outputs, Runtime
    from runtimes.tasks import Answer, DeviceTask


class Predictor:
    """Answer rows one at a time with one opened model; `infer` is what is timed."""

    def __init__(self, task: DeviceTask, opened: Opened) -> None:
        self.task = task
        self.opened = opened
        self.infer = opened.run

    def feeds(self, row: Any) -> Feeds:
        """Return the model's inputs for one row."""
        return self.task.feeds(row)

    def answer(self, row: Any) -> Answer:
        """Return the model's answer to one row alone; raise AnswerError when it is none."""
        feeds = self.task.feeds(row)
        return self.answer_in(self.infer(feeds), feeds)

    def answer_in(self, outputs: Outputs, feeds: Feeds) -> Answer:
        """Return the answer in a model's outputs for a row; raise AnswerError when it is none."""
        return finite(self.task.answer(outputs, feeds))


def open_predictor(
    folder: str | Path,
    *,
    runtime: str | None = None,
    threads: int = 1,
    manifest: Manifest | None = None,
    bundled: bool = False,
) -> Predictor:
    """Open an artifact folder; `threads` 0 leaves the number to the runtime.

    `folder` may be a str: then no import of pathlib is part of the start. `manifest` describes a
    folder that has none yet. The classes that a bundle's manifest names are
    used by the code in it alone (`bundled`); elsewhere only registered ones run.

    Raises ArtifactError when a file is missing or is not the one that the manifest lists,
    UnsupportedError when a package is missing or the runtime does not load the format,
    BackendError when the runtime refuses the model.
    """
    if manifest is None:
        from pathlib import Path

        from runtimes.contents import check_files

        manifest = read_manifest(folder)
        check_files(Path(folder), manifest.files)
    if not bundled:
        manifest = manifest._replace(runtimes={}, task_class="")
    backend = load_runtime(manifest, runtime)
    task = load_task(manifest)
    opened = open_model(folder, manifest, backend, threads)
    return Predictor(make_task(task, folder, manifest, opened), opened)


def load_runtime(manifest: Manifest, name: str | None) -> Runtime:
    """Return the runtime to use, with its packages imported; by default the format's first."""
    runtime: Runtime = _runtime_class(manifest, name)()
    if manifest.format not in runtime.formats:
        raise UnsupportedError(
            f"runtime {runtime.name!r} does not load format {manifest.format!r}",
            expected=" or ".join(runtime.formats),
            action="run `edgepress export` first",
        )
    for package in getattr(runtime, "imports", runtime.packages):
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
    return (*loader.packages, *needs_of(_task_class(manifest), manifest.inputs).packages)


def load_task(manifest: Manifest) -> type[DeviceTask]:
    """Return the task's class; its packages are here, and it imports them when it needs them."""
    task = _task_class(manifest)
    require_packages("running a model", *needs_of(task, manifest.inputs).packages)
    return task


def _task_class(manifest: Manifest) -> type[DeviceTask]:
    row = manifest.task_class
    task: type[DeviceTask] = imported(row) if row else TASKS.resolve(manifest.task)
    return task


def open_model(folder: str | Path, manifest: Manifest, runtime: Runtime, threads: int) -> Opened:
    """Open a folder's model file in a runtime."""
    name = runtime.formats[manifest.format][0]
    model = os.path.join(folder, name) if isinstance(folder, str) else folder / name
    if not os.path.isfile(model):
        raise ArtifactError(f"{model}: no such file", action="make or copy the artifact again")
    return runtime.open(model, threads)


def make_task(
    task: type[DeviceTask], folder: str | Path, manifest: Manifest, opened: Opened
) -> DeviceTask:
    """Make a task for an opened model."""
    return task(folder, manifest, [spec.name for spec in opened.inputs])

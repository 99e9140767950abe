"""The protocol of a stage: settings that run, and the context that they run in."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Final

from compress.data.dataset import Dataset
from compress.papers import carry_papers
from compress.progress import Progress, Silence
from compress.storage.sources import code_digest
from runtimes.artifact import Artifact, StageRecord, write_artifact
from runtimes.digest import stable_hash
from runtimes.errors import UnsupportedError
from runtimes.files import new_folder
from runtimes.packages import require_packages
from runtimes.registry import Registry
from runtimes.runtime import TensorSpec

TORCH: Final = "huggingface"
"""The format of torch models, which stages take before the export."""

TRAINING: Final = ("torch", "transformers", "accelerate")
"""The modules that a stage on torch models imports."""

STAGES = Registry(
    "stage",
    {
        "finetune": "compress.finetune.stage:Finetune",
        "distill": "compress.distill.stage:Distill",
        "prune": "compress.prune.stage:Prune",
        "linear": "compress.linear.stage:Linear",
        "bag": "compress.bag.stage:Bag",
        "quantize": "compress.quantize.stage:Quantize",
        "export": "compress.export.stage:Export",
    },
    group="edgepress.stages",
)

TOOLS = (
    *("edgepress", "torch", "transformers", "tokenizers"),
    *("onnx", "onnxruntime", "onnxscript", "openvino", "nncf", "scikit-learn"),
    *("executorch", "torchao", "litert-torch", "ai-edge-litert", "ai-edge-quantizer"),
    "coremltools",
)
"""Packages whose versions affect a stage's result; each is part of the cache key."""


@dataclass(frozen=True, slots=True)
class Target:
    """Hold facts of the target device that a stage may use.

    `int8_dot` says that the CPU multiplies 8-bit integers without saturating (VNNI, AMX, dotprod);
    without it weights keep 7 bits (`reduce_range`).
    """

    runtime: str = "onnxruntime"
    int8_dot: bool = True
    threads: int = 1


@dataclass(frozen=True, slots=True)
class RunContext:
    """Hold what a stage needs beside its input.

    `teacher` is the fine-tuned model that all later models come from (format huggingface), None
    before there is one. `scratch` is the stage's own folder for checkpoints; it survives a killed
    process, and the pipeline removes it after the stage. `shared` holds files named by their
    content (a teacher's answers) that several stages read; without it they are computed again.
    """

    data: Dataset
    teacher: Artifact | None
    seed: int
    scratch: Path
    target: Target = field(default_factory=Target)
    progress: Progress = field(default_factory=Silence)
    shared: Path | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """Describe the files that a stage wrote into its folder."""

    format: str
    precision: str
    labels: tuple[str, ...]
    max_length: int
    parameters: int
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    model_type: str = "unknown"
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def like(cls, source: Artifact, **changed: Any) -> Made:
        """Describe a model that equals its source except for `changed`."""
        shared = {column.name for column in dataclasses.fields(cls)} - {"metrics"}
        return cls(**{name: getattr(source, name) for name in shared} | changed)


@dataclass(frozen=True, slots=True)
class Outline:
    """Hold what is known of a model before a stage makes it.

    `layers` is None where the format does not say. A `closed` model is finished: no further stage
    takes it, and another tool builds the deployed file from it. `retrained` says that a later stage
    of the recipe trains what comes of it.
    """

    format: str
    precision: str
    model_type: str
    task: str
    layers: int | None = None
    closed: bool = False
    retrained: bool = False


@dataclass(frozen=True, slots=True)
class Stage(ABC):
    """Turn one artifact into another. A stage is a frozen dataclass of its settings.

    It never changes its input and is deterministic under `context.seed`. `accepts` lists the
    formats that it takes: TORCH for a stage on torch models, exported formats for a stage after the
    export. A stage that `teaches` makes the teacher of all later stages. `retrains` says that it
    learns from `context.teacher`, `uses_target` that it reads `context.target`. `model_settings`
    are the settings that name another model's folder.
    """

    kind: ClassVar[str]
    accepts: ClassVar[tuple[str, ...]]
    teaches: ClassVar[bool] = False
    retrains: ClassVar[bool] = False
    uses_target: ClassVar[bool] = True
    model_settings: ClassVar[tuple[str, ...]] = ()

    @property
    def uses_data(self) -> bool:
        """Tell whether the result depends on the rows."""
        return True

    @property
    def modules(self) -> tuple[str, ...]:
        """Return the modules whose code, with everything that they import, affects the result."""
        return (type(self).__module__,)

    def packages(self, form: str) -> tuple[str, ...]:
        """Return the modules that it imports for a model of a format, beyond edgepress's own."""
        return TRAINING if form == TORCH else ()

    def title(self, form: str) -> str:
        """Return the result's name for people; `form` is its format."""
        return self.kind if form == TORCH else f"{self.kind} {form}"

    def check(self, source: Outline) -> list[str]:
        """Return warnings for such a model, before any work.

        Raises UnsupportedError when the stage does not support it, RecipeError when settings
        contradict each other.
        """
        return []

    def leaves(self, source: Outline) -> Outline:
        """Return the outline of the result for this source, before any work.

        Raises UnsupportedError or RecipeError when the stage cannot make it from this source.
        """
        return source

    @abstractmethod
    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Write the result's files into the empty `folder` and describe them."""

    def models(self) -> dict[str, str]:
        """Return the models that the settings name, by setting."""
        settings = settings_of(self)
        return {name: settings[name] for name in self.model_settings if settings[name] is not None}


def settings_of(stage: Stage) -> dict[str, Any]:
    """Return a stage's settings as JSON-serializable values."""
    return dataclasses.asdict(stage)


def check_format(stage: Stage, form: str) -> None:
    """Raise UnsupportedError when a stage does not take a format, or lacks a package for it."""
    if form not in stage.accepts:
        raise UnsupportedError(
            f"{stage.kind} was given format {form!r}",
            expected=" or ".join(stage.accepts),
            action=f"give the torch model that it was exported from: {stage.kind} works on that"
            if TORCH in stage.accepts
            else "run `edgepress export` first",
        )
    check_packages(stage, form)


def check_packages(stage: Stage, form: str) -> None:
    """Raise UnsupportedError, naming what to install, when a stage lacks a package."""
    require_packages(f"stage {stage.title(form)}", *stage.packages(form))


def tool_versions(names: Sequence[str] = TOOLS) -> dict[str, str]:
    """Return installed versions, by default of the tools that affect a stage's result."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _provenance(
    stage: Stage, source: Artifact, context: RunContext
) -> dict[str, Mapping[str, Any]]:
    """Return where a stage's result comes from: its source's provenance, the data and the code."""
    data = context.data
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    rows = {name: len(split) for name, split in splits.items()}
    known = {"digest": data.digest, **rows, "unlabeled": len(data.unlabeled)}
    code = stable_hash([code_digest(module) for module in stage.modules])
    return {
        **source.provenance,
        **({"data": known} if stage.uses_data and data.digest else {}),
        "code": {"edgepress": version("edgepress"), stage.kind: code},
    }


def execute(stage: Stage, source: Artifact, context: RunContext, target: Path) -> Artifact:
    """Run a stage into `target`, written completely or not at all, and return its artifact."""
    check_format(stage, source.format)
    start = time.perf_counter()
    with new_folder(target) as folder:
        made = stage.run(source, context, folder)
        record = StageRecord(
            kind=stage.kind,
            settings=settings_of(stage),
            seconds=round(time.perf_counter() - start, 3),
            tools=tool_versions(),
            metrics=made.metrics,
            source=source.digest,
        )
        carry_papers(source, folder)
        artifact = write_artifact(
            folder,
            format=made.format,
            precision=made.precision,
            task=source.task,
            labels=made.labels,
            max_length=made.max_length,
            inputs=made.inputs,
            outputs=made.outputs,
            parameters=made.parameters,
            history=(*source.history, record),
            model_type=made.model_type,
            provenance=_provenance(stage, source, context),
        )
    return dataclasses.replace(artifact, path=target)

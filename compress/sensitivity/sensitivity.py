"""What a model's size costs its classes, nodes and layers: three tables and one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compress.answers.effect import Effect, paired
from compress.data.dataset import DataSettings
from compress.data.rows import Rows
from compress.explain.explanation import Column, Explanation, Table
from compress.explain.question import Question, answers_to
from compress.export.reference import open_reference
from compress.judge.class_costs import class_rows
from compress.models.teacher import open_model
from compress.progress import Progress, Silence
from compress.quantize.check import pick_rows
from compress.report.wording import KL_NOTE
from compress.sensitivity.classes import class_table
from compress.sensitivity.layers import LayerCost, layer_costs
from compress.sensitivity.nodes import NodeCost, node_costs
from compress.storage.scratch import scratch_folder
from compress.tasks import KL, Task, divergence_of, task_of
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class SensitivityRequest:
    """Hold the question: a model, a reference and rows.

    `source` is the fp32 export that a quantized model was made from; by default, the reference.
    `rows` is the number of rows for nodes and layers; classes use all rows.
    """

    model: str
    reference: str
    data: DataSettings
    source: str | None = None
    rows: int = 500
    seed: int = 7
    task: str | None = None
    progress: Progress = field(default_factory=Silence)


@dataclass(frozen=True, slots=True)
class GivenModel:
    """Hold the given model and the model that runs: a torch model runs as its fp32 export."""

    given: Artifact
    runs: Artifact


def sensitivity(request: SensitivityRequest) -> Explanation:
    """Find what compression costs a model's classes and nodes, and how important its layers are.

    figures: the task's metric, such as accuracy, the reference's, the retention of the worst class
    with its bounds, rows, sampled_rows; of a quantized model also kl and agreement with its source.
    tables: classes; nodes of a quantized ONNX model; layers of a torch model. What cannot be told
    becomes a note.

    Raises ArtifactError, DataError or UnsupportedError for models or rows that do not fit.
    """
    with scratch_folder() as scratch:
        folder = scratch
        model = _opened(request.model, folder / "model", request)
        reference = open_reference(
            request.reference, model.runs, folder / "known", request.seed, request.progress
        )
        question = Question(
            "worst_class_retention",
            model.runs,
            request.data,
            reference=reference,
            progress=request.progress,
        )
        rows = question.labeled()
        quality = _quality(question, rows)
        sampled = pick_rows(rows, request.rows, task_of(model.runs.task))
        parts = [quality, *_inner(model, reference, sampled, folder, request)]
    return Explanation(
        answer="; ".join(filter(None, (one.answer for one in parts))),
        figures={
            "rows": len(rows),
            "sampled_rows": len(sampled),
            **{name: value for one in parts for name, value in one.figures.items()},
        },
        tables=tuple(table for one in parts for table in one.tables),
        notes=tuple(note for one in parts for note in one.notes),
    )


def _opened(path: str, scratch: Path, request: SensitivityRequest) -> GivenModel:
    given = open_model(path, task=request.task)
    return GivenModel(given, open_reference(path, given, scratch, request.seed, request.progress))


def _inner(
    model: GivenModel, reference: Artifact, rows: Rows, folder: Path, request: SensitivityRequest
) -> Iterator[Explanation]:
    """Yield the tables of the model's inside: layers of a torch model, nodes of a quantized one."""
    if model.given.format == "huggingface":
        layers = layer_costs(model.given, rows, request.seed, request.progress)
        yield _layers(layers, task_of(model.given.task))
        return
    try:
        source = reference
        if request.source:
            source = open_reference(
                request.source, model.runs, folder / "source", request.seed, request.progress
            )
        whole, costs = node_costs(model.runs, source, rows, folder / "variants", request.progress)
        yield _nodes(whole, costs, task_of(model.runs.task))
    except UnsupportedError as error:
        yield Explanation("", {}, notes=(f"no table of nodes: {error}",))


def _quality(question: Question, rows: Rows) -> Explanation:
    """Return the quality of both models, and what each class keeps if the task has classes."""
    reference = question.reference
    assert reference is not None  # sensitivity names one
    task, labels = task_of(question.artifact.task), question.artifact.labels
    mine = answers_to(rows, question.artifact, question, "the model")
    theirs = answers_to(rows, reference, question, "the reference")
    pair = paired(task, theirs, mine, rows.targets, labels)
    figures: dict[str, float | int | None] = {
        task.metric: pair.candidate.metric,
        f"reference_{task.metric}": pair.reference.metric,
    }
    costs = task.class_costs(mine, theirs, rows.targets, labels)
    if not costs:
        return Explanation("", figures)
    known = task.figures(mine, rows.targets, labels, theirs).at(task.worst_metric, 0.95)
    assert known is not None  # a task with classes has it
    figures |= {
        task.worst_metric: known.value,
        f"{task.worst_metric}_lower": known.lower,
        f"{task.worst_metric}_upper": known.upper,
    }
    return Explanation(known.why, figures, (class_table(class_rows(costs)),))


def _effect_columns(task: Task) -> tuple[Column, ...]:
    return (
        *(Column("kl", divergence_of(task), ".2e"), Column("agreement", "agreement", ".3f")),
        Column(task.metric, task.score_name, ".3f"),
    )


def _note(task: Task) -> tuple[str, ...]:
    """Return how to read the divergence."""
    return (KL_NOTE,) if divergence_of(task) == KL else ()


def _effect(effect: Effect) -> tuple[float, float, float | None]:
    return effect.kl, effect.agreement, effect.score


def _nodes(whole: Effect, costs: Sequence[NodeCost], task: Task) -> Explanation:
    columns = (Column("node", "node"), Column("kind", "operator"), *_effect_columns(task))
    first = costs[0]
    unit = " nats" if divergence_of(task) == KL else ""
    return Explanation(
        answer=f"the quantized node that costs most is {first.node} ({first.kind}):"
        f" {divergence_of(task)} {first.alone.kl:.2g}{unit} alone, of {whole.kl:.2g} for all"
        f" {len(costs)}",
        figures={"kl": whole.kl, "agreement": whole.agreement},
        tables=(
            Table(
                "nodes",
                "nodes, each quantized alone, the most costly first",
                columns,
                tuple((c.node, c.kind, *_effect(c.alone)) for c in costs),
            ),
        ),
        notes=_note(task),
    )


def _layers(costs: Sequence[LayerCost], task: Task) -> Explanation:
    columns = (
        *(Column("layer", "layer", "d"), Column("fisher_share", "Fisher mass", ".3f")),
        *_effect_columns(task),
    )
    last = costs[-1]
    return Explanation(
        answer=f"the least important layer is {last.layer}: without it"
        f" {last.skipped.agreement:.1%} of the answers stay",
        figures={},
        tables=(
            Table(
                "layers",
                "layers, each left out alone, the most important first",
                columns,
                tuple((c.layer, c.fisher_share, *_effect(c.skipped)) for c in costs),
            ),
        ),
        notes=_note(task),
    )

"""What each node of a quantized model costs: the fp32 source with this node alone quantized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compress.answers import Answers
from compress.answers.effect import Effect, compared
from compress.answers.folder import folder_answers
from compress.data.rows import Rows
from compress.graph.onnx_graph import read_onnx
from compress.progress import Progress
from compress.sensitivity.restore import QuantizedPair
from compress.tasks import task_of
from runtimes.artifact import Artifact
from runtimes.errors import UnsupportedError

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTIZED = ("int8", "int4")
"""The precisions whose nodes can be told apart; fp16 changes every value's type."""


@dataclass(frozen=True, slots=True)
class NodeCost:
    """Hold the effect of quantizing one node of the fp32 source alone.

    Restoring one node of the quantized model instead shows nothing if no node stands out: the
    rounding errors of the other nodes, which may cancel, are larger.
    """

    node: str
    kind: str
    alone: Effect


def node_costs(
    quantized: Artifact, source: Artifact, rows: Rows, scratch: Path, progress: Progress
) -> tuple[Effect, tuple[NodeCost, ...]]:
    """Return the whole model's effect and each node's own, the most costly first.

    Runs the model on the rows once for each node. Raises UnsupportedError when the artifact's nodes
    cannot be told apart or `source` is not the model that it was quantized from.
    """
    pair = _paired(quantized, source)
    values = pair.changed()
    bench = _VariantRunner(quantized, rows, scratch)
    with progress.task("nodes", len(values) + 2) as advance:

        def effect(restored: Sequence[str]) -> Effect:
            result = bench.effect(pair.restored(restored))
            advance(1, "")
            return result

        bench.reference = bench.answers(pair.restored(values))
        advance(1, "")
        whole = effect([])
        costs = [
            NodeCost(
                node=pair.label(value),
                kind=pair.kind(value),
                alone=effect([other for other in values if other != value]),
            )
            for value in values
        ]
    return whole, tuple(sorted(costs, key=lambda cost: -cost.alone.kl))


def _paired(quantized: Artifact, source: Artifact) -> QuantizedPair:
    if quantized.format != "onnx" or quantized.precision not in QUANTIZED:
        raise UnsupportedError(
            f"the nodes of {quantized.path.name} ({quantized.format}, {quantized.precision})",
            expected=f"a quantized ONNX model: {' or '.join(QUANTIZED)}",
            action="make one with `edgepress quantize`",
        )
    if source.format == "onnx" and source.precision == "fp32":
        pair = QuantizedPair(read_onnx(source.model_file), read_onnx(quantized.model_file))
        if pair.is_source() and pair.changed():
            return pair
    raise UnsupportedError(
        f"{source.path.name} is not the model that {quantized.path.name} was quantized from",
        expected="its fp32 ONNX export",
        action="name that with --source FOLDER; a run keeps it beside, as NN-export",
    )


class _VariantRunner:
    """Run variants of one model on the same rows, with the bundle's own code."""

    def __init__(self, artifact: Artifact, rows: Rows, scratch: Path) -> None:
        self._artifact = artifact
        self._rows = rows
        self._file = scratch / artifact.model_file.name
        self._task = task_of(artifact.task)
        self.reference: Answers = []
        artifact.copy(scratch)

    def answers(self, model: ModelProto) -> Answers:
        """Return what a variant answers to each row."""
        import onnx

        onnx.save_model(model, str(self._file))
        return folder_answers(self._artifact, self._file.parent, self._rows.inputs)

    def effect(self, model: ModelProto) -> Effect:
        """Compare a variant's answers with the source's."""
        answers, labels = self.answers(model), self._artifact.labels
        return compared(self._task, self.reference, answers, self._rows.targets, labels)

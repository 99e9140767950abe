"""The bag stage: vectors of pieces and pairs, and a small FFN, distilled from a teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from compress.bag.graph import IDS
from compress.bag.pairs import Pair
from compress.distill.rows import OwnRows
from compress.models.architectures import BAG, require
from compress.stage import TORCH, Made, Outline, RunContext, Stage
from compress.tasks import DEFAULT_TASK, task_of
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError
from runtimes.piece_pairs import PAIRS
from runtimes.runtime import TensorSpec, model_files

if TYPE_CHECKING:
    from compress.bag.network import Bag as Network
    from compress.training.loop import TrainPlan

_FORMAT = "onnx"


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Bag(Stage):
    """Distill a teacher into a student without layers: a bag of pieces and of pairs of pieces.

    Each piece of the source's vocabulary and the `pairs` most frequent pairs of neighboring pieces,
    those in `least_count` rows or more, have a vector of `width`, which begins with the source's
    embeddings; their sum is normalized, passes `blocks` residual FFNs, and is classified by one
    more, each with `inner` units. The loss and the rows are those of `distill`. With 0 `epochs` the
    student has its speed and size alone.
    The result is an fp32 ONNX model.
    """

    kind: ClassVar[str] = "bag"
    accepts: ClassVar[tuple[str, ...]] = (TORCH,)
    retrains: ClassVar[bool] = True
    uses_target: ClassVar[bool] = False

    width: Annotated[int, Field(ge=16, le=4096, multiple_of=16)] = 256
    inner: Annotated[int, Field(ge=16, le=65_536, multiple_of=16)] = 512
    blocks: Annotated[int, Field(ge=0, le=16)] = 0
    pairs: Annotated[int, Field(ge=0, le=1_000_000)] = 3_500
    least_count: Annotated[int, Field(ge=1)] = 2
    temperature: Annotated[float, Field(gt=0, le=100)] = 4.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    augment: Annotated[int, Field(ge=0, le=64)] = 4
    own_rows: OwnRows = "auto"
    epochs: Annotated[int, Field(ge=0, le=1000)] = 12
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32

    @property
    def modules(self) -> tuple[str, ...]:
        """Return the stage's code, with what it imports to train and to write."""
        return (type(self).__module__, "compress.bag.network", "compress.bag.graph")

    def check(self, source: Outline) -> list[str]:
        """Refuse a task other than text classification, and unknown architectures."""
        require(source.model_type, "finetune")
        if source.task != DEFAULT_TASK:
            raise RecipeError(
                f"bag for the task {source.task!r}",
                expected=DEFAULT_TASK,
                action="leave the stage out",
            )
        return []

    def leaves(self, source: Outline) -> Outline:
        """Return the outline of the ONNX model: of no architecture that is trained further."""
        return replace(source, format=_FORMAT, precision="fp32", model_type=BAG, layers=None)

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Choose the pairs, train, and write the graph beside tokenizer and pairs."""
        from compress.bag.graph import write_graph
        from compress.bag.pairs import write_pairs
        from compress.models.token_table import write_table
        from compress.models.torch_model import copy_tokenizer

        network, pairs, metrics = self._learned(source, context)
        copy_tokenizer(source.path, folder)
        write_table(folder, source.max_length, context.progress)
        count = network.vectors.num_embeddings
        write_pairs(folder / PAIRS, pairs, count - len(pairs))
        write_graph(network, folder / model_files(_FORMAT)[0])
        return Made(
            format=_FORMAT,
            precision="fp32",
            labels=source.labels,
            max_length=source.max_length,
            parameters=sum(one.numel() for one in network.parameters()) - count,
            inputs=(TensorSpec(IDS, "int64", ("batch", "sequence")),),
            outputs=task_of(source.task).outputs(source.labels),
            model_type=BAG,
            metrics={"pairs": len(pairs), **metrics},
        )

    def _learned(
        self, source: Artifact, context: RunContext
    ) -> tuple[Network, list[Pair], dict[str, float]]:
        """Return the trained network, its pairs in the order of their ids, and figures."""
        import torch

        from compress.bag.network import Bag as Network
        from compress.bag.network import first_vectors
        from compress.bag.pairs import frequent_pairs
        from compress.bag.train import Pieces, train, with_pairs
        from compress.distill.rows import TrainingRows
        from compress.distill.train import loss_of
        from compress.models.torch_model import load_model

        torch.manual_seed(context.seed)  # it draws the layers
        model = load_model(source.path, source.task)
        table = model.get_input_embeddings().weight
        pieces = Pieces.of(source, model.config)
        teacher = context.teacher or source
        copies = self.augment if self.epochs else 0
        rows = TrainingRows.of(context.data, copies, teacher, self.own_rows)
        texts = pieces.encoded(rows.texts)
        counted = [row.tolist() for row in texts.ids[: len(rows.own)]]
        pairs = frequent_pairs(counted, self.pairs, self.least_count)
        vectors = first_vectors(table, pairs, min(self.width, table.shape[1]))
        classes = len(source.labels)
        network = Network(vectors, pieces.padding_id, self.inner, classes, self.blocks)
        if not self.epochs:
            return network.eval(), pairs, {}
        held = pieces.encoded(context.data.validation.inputs)
        texts, held = (
            with_pairs(one, pairs, len(table), pieces.padding_id) for one in (texts, held)
        )
        known = rows.teacher_answers(teacher, context)
        loss = loss_of(pieces.task, known, rows.targets, self.temperature, self.alpha)
        plan = self._plan(context.seed)
        fitted = train(network, (texts, held), rows, loss, plan, pieces.task, context)
        return network, pairs, fitted.metrics()

    def _plan(self, seed: int) -> TrainPlan:
        from compress.training.loop import TrainPlan

        return TrainPlan(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            seed=seed,
            dropout=False,
        )

"""The distil stage: a smaller student that answers as the teacher does."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from runtimes.artifact import Artifact
from runtimes.errors import RecipeError

from compress.architectures import require
from compress.stage import Made, RunContext

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from compress.distill.internals import Internals

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, config=_STRICT)
class Distill:
    """Train a student of `layers` of the teacher's layers, or of another `student` folder.

    `layers` are evenly spaced and the last is always kept, or are those that `keep` names,
    counted from 0. The loss is alpha·T²·KL + (1−alpha)·CE, and KL alone on unlabelled text;
    `hidden` and `relations` weigh the inner losses of TinyBERT and MiniLMv2.
    """

    kind: ClassVar[str] = "distill"
    accepts: ClassVar[tuple[str, ...]] = ("huggingface",)
    retrains: ClassVar[bool] = True
    uses_data: ClassVar[bool] = True

    layers: Annotated[int, Field(ge=1)] | None = None
    keep: tuple[Annotated[int, Field(ge=0)], ...] = field(default=())
    student: str | None = None
    temperature: Annotated[float, Field(gt=0, le=100)] = 4.0
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.9
    hidden: Annotated[float, Field(ge=0)] = 0.0
    relations: Annotated[float, Field(ge=0)] = 0.0
    epochs: Annotated[int, Field(ge=1, le=1000)] = 8
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 4e-4
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    patience: Annotated[int, Field(ge=1)] | None = None

    def produces(self, source_format: str) -> str:
        """Return huggingface: a student is a model like its teacher."""
        return "huggingface"

    def check(self, model_type: str, source_format: str) -> list[str]:
        """Refuse clashing choices and architectures whose layers are not known."""
        if (self.layers is None) + (not self.keep) + (self.student is None) != 2:
            raise RecipeError(
                "distill takes exactly one of layers, keep and student",
                expected="layers = 3, or keep = [1, 3, 5], or student = \"FOLDER\"",
            )
        require(model_type, "distill")
        if self.learning_rate > 1e-3:
            return [f"distill: learning_rate {self.learning_rate:g} is over 1e-3: it may diverge"]
        return []

    def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
        """Cut or load the student, train it against the teacher and write it."""
        from compress.distill.train import distil
        from compress.models import load_tokenizer, save_model
        from compress.training import TrainPlan

        teacher = context.teacher or source
        student, origin, matched = self._student(source)
        tokenizer = load_tokenizer(origin.path, origin.max_length)
        internals = self._internals(student, teacher, tokenizer, context, matched)
        plan = TrainPlan(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            patience=self.patience,
            seed=context.seed,
            hidden_states=self.hidden > 0,
        )
        with internals.watching(student) if internals else nullcontext():
            fitted = distil(
                student,
                teacher,
                tokenizer,
                context,
                plan,
                temperature=self.temperature,
                alpha=self.alpha,
                internals=internals,
            )
        return save_model(student, origin, folder, labels=source.labels, metrics=fitted.metrics())

    def _student(self, source: Artifact) -> tuple[PreTrainedModel, Artifact, tuple[int, ...]]:
        """Return the student, whose tokenizer it uses, and the teacher's layer of each of its."""
        from compress.models import load_model
        from compress.prune.slicing import evenly_spaced, keep_layers
        from compress.teacher import open_model

        if self.student is not None:
            origin = open_model(self.student, task=source.task)
            student = load_model(origin.path, labels=source.labels)
            depth = student.config.num_hidden_layers
            return student, origin, evenly_spaced(_depth(source), min(depth, _depth(source)))
        student = load_model(source.path)
        total = student.config.num_hidden_layers
        wanted = self.keep or evenly_spaced(total, min(self.layers or total, total))
        if max(wanted) >= total or (self.layers or 0) > total:
            raise RecipeError(
                f"distill keeps layers {self.layers or list(self.keep)}",
                expected=f"at most {total}: the teacher has layers 0 to {total - 1}",
            )
        keep_layers(student, wanted)
        return student, source, tuple(wanted)

    def _internals(
        self,
        student: Any,
        teacher: Artifact,
        tokenizer: Any,
        context: RunContext,
        matched: tuple[int, ...],
    ) -> Internals | None:
        if self.hidden == 0 and self.relations == 0:
            return None
        from compress.batches import encode
        from compress.distill.internals import Internals
        from compress.models import load_model

        same = (teacher.path / "tokenizer.json").read_bytes()
        if tokenizer.to_str() != _normal(same, teacher.max_length):
            raise RecipeError(
                "hidden and relations compare states token by token, but student and teacher"
                " split text differently",
                action="leave them 0, or start from a student with the teacher's tokenizer",
            )
        model = load_model(teacher.path)
        texts = (*context.data.train.texts, *context.data.unlabeled)
        return Internals(
            student,
            model,
            encode(tokenizer, texts, model.config),
            matched,
            hidden=self.hidden,
            relations=self.relations,
        )


def _depth(source: Artifact) -> int:
    from compress.models import load_config

    return int(load_config(source.path).num_hidden_layers)


def _normal(tokenizer_json: bytes, max_length: int) -> str:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_buffer(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    text: str = tokenizer.to_str()
    return text

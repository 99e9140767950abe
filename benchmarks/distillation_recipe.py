"""One contestant of distillation.py, in its own process: setup, then one epoch each turn.

Run by distillation.py as `distillation_recipe.py JOB.json`. Each line on stdin grants one turn;
each turn ends with one JSON line on stdout: {"phase": "setup" or "epoch", "seconds", "accuracy" (of
epochs), "rss_peak_mb"}. The time between turns is not counted.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from compress.data.dataset import Dataset
from compress.data.rows import Rows
from compress.models.teacher import open_model
from compress.progress import Advance, Silence
from compress.stage import RunContext


@dataclass(slots=True)
class Turns:
    """Wait for a turn, and report its time."""

    out: Any
    start: float = 0.0

    def wait(self) -> None:
        """Block until the other contestants have had their turns."""
        sys.stdin.readline()
        self.start = time.perf_counter()

    def done(self, phase: str, accuracy: float | None = None) -> None:
        """Report the turn that ends now."""
        facts = {
            "phase": phase,
            "seconds": time.perf_counter() - self.start,
            "accuracy": accuracy,
            "rss_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(facts), file=self.out, flush=True)


@dataclass(slots=True)
class EpochTurns:
    """Progress that ends a turn when setup is over and after each epoch but its last."""

    turns: Turns
    epochs: int
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Watch the training task; other tasks belong to the setup."""
        if name != "distill":
            yield lambda units, note: None
            return
        self.turns.done("setup")
        self.turns.wait()
        yield self._advance

    def _advance(self, units: int, note: str) -> None:
        match = re.fullmatch(r"epoch (\d+): validation ([\d.]+)%", note)
        if match is None:
            return
        self.turns.done("epoch", float(match[2]) / 100)
        if int(match[1]) < self.epochs:
            self.turns.wait()

    def note(self, text: str) -> None:
        """Say nothing."""

    def say_only(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Keep the warning."""
        self.warnings.append(text)


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Hold what all contestants share: rows, student, loss and schedule."""

    recipe: str
    teacher: str
    student: str
    labels: tuple[str, ...]
    train: Rows
    validation: Rows
    epochs: int
    learning_rate: float
    batch_size: int
    temperature: float
    alpha: float
    max_length: int
    seed: int
    scratch: str


def main() -> None:
    """Read the job, take the turns."""
    content = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    splits = {
        name: Rows(tuple(content[name]["texts"]), tuple(content[name]["labels"]))
        for name in ("train", "validation")
    }
    job = TrainingJob(**(content | splits | {"labels": tuple(content["labels"])}))
    turns = Turns(sys.stdout)
    warnings.simplefilter("ignore")
    with redirect_stdout(sys.stderr):
        RECIPES[job.recipe](job, turns)


def edgepress(job: TrainingJob, turns: Turns) -> None:
    """Cached logits, length buckets, embeddings in use, a checkpoint an epoch."""
    import accelerate  # noqa: F401 - imports are nobody's turn
    import transformers.modeling_utils  # noqa: F401

    from compress.distill.train import distill
    from compress.models.torch_model import load_model
    from compress.training.loop import TrainPlan
    from runtimes.tokenizing import load_tokenizer

    turns.wait()
    distill(
        load_model(Path(job.student), "text-classification"),
        open_model(job.teacher, task="text-classification", max_length=job.max_length),
        load_tokenizer(Path(job.student), job.max_length),
        RunContext(
            Dataset(job.labels, job.train, job.validation, Rows((), ()), (), digest=""),
            None,
            job.seed,
            Path(job.scratch),
            progress=EpochTurns(turns, job.epochs),
        ),
        TrainPlan(job.epochs, job.learning_rate, batch_size=job.batch_size, seed=job.seed),
        temperature=job.temperature,
        alpha=job.alpha,
    )


def trainer_max_length(job: TrainingJob, turns: Turns) -> None:
    """The tutorials' recipe: the teacher in every step, every row padded to the maximum length."""
    _trainer(job, turns, padding="max_length", cached=False)


def trainer_dynamic(job: TrainingJob, turns: Turns) -> None:
    """The same, padded to the longest row of a batch."""
    _trainer(job, turns, padding="longest", cached=False)


def trainer_cached(job: TrainingJob, turns: Turns) -> None:
    """The same as trainer_dynamic, with the teacher's logits computed once."""
    _trainer(job, turns, padding="longest", cached=True)


RECIPES: dict[str, Callable[[TrainingJob, Turns], None]] = {
    "edgepress": edgepress,
    "trainer-max-length": trainer_max_length,
    "trainer-dynamic": trainer_dynamic,
    "trainer-cached": trainer_cached,
}


def _trainer(job: TrainingJob, turns: Turns, *, padding: str, cached: bool) -> None:
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
    )
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    turns.wait()
    tokenizer = AutoTokenizer.from_pretrained(job.student)
    student = AutoModelForSequenceClassification.from_pretrained(job.student)
    soft = _teacher_logits(job) if cached else None
    teacher = None
    if not cached:
        teacher = AutoModelForSequenceClassification.from_pretrained(job.teacher).eval()

    class Distiller(Trainer):  # type: ignore[misc]
        """Add the teacher to the training loss; validation runs without it."""

        def compute_loss(
            self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
        ) -> Any:
            given = inputs.pop("teacher_logits", None)
            output = model(**inputs)
            loss = output.loss
            if model.training:
                loss = _tutorial_loss(output, given, teacher, inputs, job)
            return (loss, output) if return_outputs else loss

    trainer = Distiller(
        model=student,
        args=_arguments(job),
        train_dataset=_encoded(tokenizer, job.train, job.max_length, padding, soft),
        eval_dataset=_encoded(tokenizer, job.validation, job.max_length, padding, None),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda evaluated: {
            "accuracy": float((evaluated.predictions.argmax(-1) == evaluated.label_ids).mean())
        },
        callbacks=[_turn_taking(turns)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def _tutorial_loss(output: Any, given: Any, teacher: Any, inputs: Any, job: TrainingJob) -> Any:
    import torch
    import torch.nn.functional as F  # noqa: N812

    if given is None:
        with torch.no_grad():
            given = teacher(**{k: v for k, v in inputs.items() if k != "labels"}).logits
    soft = F.kl_div(
        F.log_softmax(output.logits / job.temperature, dim=-1),
        F.softmax(given / job.temperature, dim=-1),
        reduction="batchmean",
    )
    return job.alpha * job.temperature**2 * soft + (1 - job.alpha) * output.loss


def _arguments(job: TrainingJob) -> Any:
    from transformers import TrainingArguments

    steps = -(-len(job.train) // job.batch_size) * job.epochs
    return TrainingArguments(
        output_dir=job.scratch,
        num_train_epochs=job.epochs,
        learning_rate=job.learning_rate,
        per_device_train_batch_size=job.batch_size,
        per_device_eval_batch_size=64,
        weight_decay=0.01,
        warmup_steps=max(1, round(0.1 * steps)),
        lr_scheduler_type="linear",
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=True,
        seed=job.seed,
    )


def _encoded(
    tokenizer: Any, rows: Rows, max_length: int, padding: str, soft: Any
) -> list[dict[str, Any]]:
    """Encode as the tutorials do; "longest" leaves padding to the collator."""
    coded = tokenizer(
        list(rows.inputs),
        truncation=True,
        max_length=max_length,
        padding="max_length" if padding == "max_length" else False,
    )
    return [
        {name: coded[name][row] for name in coded}
        | {"labels": rows.targets[row]}
        | ({} if soft is None else {"teacher_logits": soft[row]})
        for row in range(len(rows))
    ]


def _teacher_logits(job: TrainingJob) -> Any:
    from compress.distill.teacher_answers import teacher_answers

    context = RunContext(
        Dataset(job.labels, job.train, job.validation, Rows((), ()), (), digest=""),
        None,
        job.seed,
        Path(job.scratch),
        progress=Silence(),
    )
    teacher = open_model(job.teacher, task="text-classification", max_length=job.max_length)
    return np.asarray(teacher_answers(teacher, job.train.inputs, context))


def _turn_taking(turns: Turns) -> Any:
    from transformers import TrainerCallback

    class TurnTaking(TrainerCallback):  # type: ignore[misc]
        """Train and validate an epoch a turn."""

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if not state.epoch:
                turns.done("setup")
            turns.wait()

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
            turns.done("epoch", metrics["eval_accuracy"])

    return TurnTaking()


if __name__ == "__main__":
    main()

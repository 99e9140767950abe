"""Survey a teacher and a file of rows: their properties, and whether they fit together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from compress.data.dataset import Dataset, DataSettings, load_dataset
from compress.models.outline import outline_of
from compress.models.teacher import open_model
from compress.setup.asking import find_questions
from compress.setup.columns import Choice, Layout, choose_label, choose_text, read_columns
from compress.setup.pairing import Pairing, find_pairing
from compress.setup.tagging import find_tagging
from compress.tasks import DEFAULT_TASK, task_of
from profiles.plural import plural
from runtimes.artifact import Artifact
from runtimes.errors import DataError, UnsupportedError

SEED = 7
_OTHERS = {"test": ("test",), "validation": ("validation", "valid", "val", "dev")}


@dataclass(frozen=True, slots=True)
class Given:
    """Hold what the user names: the teacher, its rows, and what cannot be detected.

    With `finetune` a new head is trained, whatever head the teacher has.
    """

    teacher: str
    data: Path
    test: Path | None = None
    validation: Path | None = None
    text: str | None = None
    label: str | None = None
    finetune: bool = False
    text_pair: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """Hold the results of a survey. `layers` is the teacher's depth.

    `splits` are the files of the splits, by their names in [data].
    """

    given: Given
    teacher: Artifact
    layers: int
    finetune: bool
    text: Choice
    label: Choice
    splits: dict[str, Path]
    data: Dataset
    found: tuple[str, ...] = field(default=())
    """The splits whose files were found beside the data, not named by the user."""
    text_pair: Choice | None = None
    """The column of a pair's second text, such as the context of a question."""

    def lines(self) -> list[str]:
        """Describe the results, one a line."""
        made, data = self.teacher, self.data
        trained = (
            "to be fine-tuned" if self.finetune else f"fine-tuned for {len(made.labels)} classes"
        )
        rows = f"{len(data.train)} train, {len(data.validation)} validation, {len(data.test)} test"
        known = [f"task      {made.task}"] if made.task != DEFAULT_TASK else []
        return [
            *known,
            f"teacher   {self.given.teacher} ({made.model_type}, {plural(self.layers, 'layer')},"
            f" {made.parameters / 1e6:.1f} M parameters), {trained}",
            f"data      {self.given.data}: {rows}, {plural(len(data.labels), 'class')}",
            *(f"{name + ' ':<10}{self.splits[name]}, found beside it" for name in self.found),
            f"text      column {self.text.column!r}: {self.text.why}",
            *(
                [f"text_pair column {self.text_pair.column!r}: {self.text_pair.why}"]
                if self.text_pair
                else []
            ),
            f"label     column {self.label.column!r}: {self.label.why}",
        ]


def survey(given: Given) -> Survey:
    """Open the teacher, find the columns and the other splits, and load all rows.

    Raises a subclass of InputError for files that cannot be opened or read, and DataError where the
    rows' classes are not those of the teacher's head.
    """
    known = (given.data, given.text, given.label)
    layout = find_tagging(*known) or find_questions(*known)
    pairing = None if layout else _pairing(given)
    task = layout.task if layout else pairing.task if pairing else DEFAULT_TASK
    teacher = open_model(given.teacher, task=task)
    if teacher.format != "huggingface":
        raise UnsupportedError(
            f"{given.teacher}: an exported model ({teacher.format})",
            expected="a teacher: a transformers folder with config.json and safetensors",
            action="give the model that it was exported from",
        )
    if layout is None:
        layout = _paired(given, pairing, teacher) if pairing else _classified(given, teacher)
    text, label, pair = layout.text, layout.label, layout.text_pair
    named = {"test": given.test, "validation": given.validation}
    splits = {name: path for name, path in named.items() if path is not None}
    columns = {one.column for one in (text, label, pair) if one}
    beside = _beside(given.data, columns, splits)
    splits |= beside
    settings = DataSettings(
        train=(str(given.data),),
        validation=tuple(str(splits[name]) for name in splits if name == "validation"),
        test=tuple(str(splits[name]) for name in splits if name == "test"),
        text=text.column,
        label=label.column,
        **({"text_pair": pair.column} if pair else {}),
    )
    data = load_dataset(settings, Path(), SEED, task_of(teacher.task))
    finetune = given.finetune or not teacher.labels
    layers = outline_of(teacher).layers
    assert layers is not None  # a torch model's configuration says it
    return Survey(
        given=given,
        teacher=teacher,
        layers=layers,
        finetune=finetune,
        text=text,
        label=label,
        splits=splits,
        data=data if finetune else _aligned(data, teacher),
        found=tuple(beside),
        text_pair=pair,
    )


def _pairing(given: Given) -> Pairing | None:
    return find_pairing(read_columns(given.data), given.text, given.text_pair, given.label)


def _paired(given: Given, pairing: Pairing, teacher: Artifact) -> Layout:
    """Return the columns of both texts and of the label."""
    texts = {pairing.text.column, pairing.text_pair.column}
    others = {name: c for name, c in read_columns(given.data).items() if name not in texts}
    label = choose_label(others, given.label, None, teacher.labels)
    return Layout(pairing.task, pairing.text, label, pairing.text_pair)


def _classified(given: Given, teacher: Artifact) -> Layout:
    """Return the columns of the text and of its class."""
    columns = read_columns(given.data)
    label = choose_label(columns, given.label, given.text, teacher.labels)
    return Layout(DEFAULT_TASK, choose_text(columns, given.text, label.column), label)


def _beside(data: Path, columns: set[str], named: dict[str, Path]) -> dict[str, Path]:
    """Return the files beside the data that are other splits, by their names and columns."""
    found = {}
    for split, names in _OTHERS.items():
        stems = [
            data.stem.replace("train", name) if "train" in data.stem else name for name in names
        ]
        files = [data.with_name(stem + data.suffix) for stem in stems]
        fit = [f for f in files if f != data and f.is_file() and columns <= read_columns(f).keys()]
        if fit and split not in named:
            found[split] = fit[0]
    return found


def _aligned(data: Dataset, teacher: Artifact) -> Dataset:
    try:
        return task_of(teacher.task).aligned(data, teacher.labels)
    except DataError as error:
        raise DataError(
            error.received,
            expected=error.expected,
            available=error.available,
            action="name the column of its classes with --label COLUMN, or give --finetune to train"
            " a new head",
        ) from error

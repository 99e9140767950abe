"""Compress a fine-tuned transformer for the edge, from Python.

The functions are those behind the commands of the same names, and say nothing unless
`progress=True`. Importing this module loads nothing heavy; each function loads what it needs.
docs/library.md has examples. Nothing is sent anywhere: libraries that are
imported after this module have their telemetry switched off.

Errors are EdgepressError and its kinds: they say what was received, what was expected, what is
available and what to do next, each a text of its own or None.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from compress.environment import quiet_libraries
from runtimes.errors import (
    AnswerError,
    ArtifactError,
    BackendError,
    DataError,
    DeviceError,
    EdgepressError,
    InputError,
    MissingPackageError,
    OutOfMemoryError,
    ProfileError,
    QualityError,
    RecipeError,
    UnknownNameError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from compress.data.dataset import DataSettings
    from compress.judge.validate import Validation
    from compress.progress import Progress
    from compress.recipe import Recipe as _ReadRecipe
    from compress.report.gate_report import GateReport
    from compress.report.schema import Report
    from compress.search.board import TerminalBoard
    from compress.search.request import NoBoard
    from profiles.gate import Status
    from profiles.measurement import Measurement

    __version__: str

__all__ = [
    "AnswerError",
    "ArtifactError",
    "BackendError",
    "DataError",
    "DeviceError",
    "EdgepressError",
    "InputError",
    "MissingPackageError",
    "Model",
    "OutOfMemoryError",
    "ProfileError",
    "QualityError",
    "Recipe",
    "RecipeError",
    "Result",
    "UnknownNameError",
    "UnsupportedError",
    "compress",
    "gate",
    "load",
    "measure",
    "validate",
]

quiet_libraries()

PathLike = str | os.PathLike[str]
Rows = PathLike | Sequence[PathLike]
"""A file of rows (csv, tsv, jsonl or parquet) or several."""


class Model:
    """A model that is open: answer rows with it. `edgepress.load` makes one."""

    def __init__(self, path: Path, *, runtime: str | None, threads: int) -> None:
        from runtimes.manifest import read_manifest
        from runtimes.predict import open_predictor

        manifest = read_manifest(path)
        self.path = path
        self.task: str = manifest.task
        self.format: str = manifest.format
        self.labels: tuple[str, ...] = manifest.labels
        self.max_length: int = manifest.max_length
        self._predictor = open_predictor(path, runtime=runtime, threads=threads)

    @overload
    def predict(  # type: ignore[overload-overlap]  # a text is a sequence of texts too
        self, rows: str, *, top: int = 0
    ) -> dict[str, Any]: ...
    @overload
    def predict(self, rows: Sequence[str], *, top: int = 0) -> list[dict[str, Any]]: ...
    def predict(
        self, rows: str | Sequence[str], *, top: int = 0
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Return the answer to one text, or to each of several, as `edgepress predict --json`.

        For text classification that is `label`, `score`, `text` and, with `top`, the best labels
        under `top`. Raises DataError for an empty text.
        """
        if isinstance(rows, str):
            return self._answer(rows, top)
        return [self._answer(row, top) for row in rows]

    def _answer(self, row: str, top: int) -> dict[str, Any]:
        if not isinstance(row, str) or not row.strip():
            raise DataError(
                f"{row!r:.80}", expected="a text that is not empty", action="leave empty texts out"
            )
        answer: dict[str, Any] = self._predictor.task.shown(self._predictor.answer(row), row, top)
        return answer

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}, {self.task}, {len(self.labels)} labels)"


def load(path: PathLike, *, runtime: str | None = None, threads: int = 1) -> Model:
    """Open a bundle, or an exported artifact's folder, and return its model.

    `runtime` is by default the format's own; `threads` 0 leaves their number to it. Raises
    ArtifactError for a folder that is not whole, UnsupportedError where a package is missing.
    """
    return Model(Path(path), runtime=runtime, threads=threads)


class Result:
    """What a run left in its folder, and how it was judged.

    `status` is "PASS", "FAIL", "INCONCLUSIVE", "NOT_MEASURED" or "WRONG_DEVICE"; `report` is
    the content of report.json (docs/report.md).
    """

    def __init__(self, folder: Path, report: Report, status: Status) -> None:
        from compress.report.stored import to_json

        self.folder = folder
        self.status: str = status.value
        self.exit_code: int = status.exit_code
        self.report: dict[str, Any] = to_json(report)

    @property
    def bundle(self) -> Path:
        """Return the folder to deploy."""
        return self.folder / "bundle"

    def load(self) -> Model:
        """Open the bundle; raise ArtifactError where the run made none."""
        return load(self.bundle)

    def __repr__(self) -> str:
        return f"Result({str(self.folder)!r}, {self.status})"


def compress(
    teacher: PathLike,
    *,
    data: PathLike,
    out: PathLike,
    test: PathLike | None = None,
    validation: PathLike | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    finetune: bool = False,
    profiles: Sequence[str] = ("local",),
    retention: float = 0.98,
    minutes: float = 30.0,
    tier: str = "ci",
    fresh: bool = False,
    progress: bool = False,
) -> Result:
    """Compress a teacher for the rows of `data` without a recipe, as `edgepress compress` does.

    Columns and the other splits' files are guessed where they are not named. The fastest student
    that keeps `retention` of the teacher's accuracy is taken, or else the whole teacher is
    quantized; it takes `minutes` at most. Raises InputError's kinds before any training.
    """
    from compress.search.without_recipe import Asked, prepare
    from compress.search.without_recipe import compress as work
    from compress.setup.survey import Given

    given = Given(
        teacher=os.fspath(teacher),
        data=Path(data),
        test=None if test is None else Path(test),
        validation=None if validation is None else Path(validation),
        text=text,
        text_pair=text_pair,
        label=label,
        finetune=finetune,
    )
    asked = Asked(
        given=given,
        out=Path(out),
        profiles=_names(profiles) or ("local",),
        retention=retention,
        limit_s=60 * minutes,
        fresh=fresh,
        tier=_tier(tier),
        board=_board(progress),
    )
    return Result(Path(out), *work(prepare(asked)))


def gate(
    candidate: PathLike,
    *,
    data: Rows,
    reference: PathLike | None = None,
    baseline: PathLike | None = None,
    profiles: Sequence[str] = (),
    budgets: Mapping[str, float] | None = None,
    text: str = "text",
    text_pair: str = "text_pair",
    label: str = "label",
    group: str | None = None,
    unlabeled: bool = False,
    tier: str = "ci",
    seed: int = 7,
    progress: bool = False,
) -> GateReport:
    """Measure a model until its budgets are decided, as `edgepress gate` does.

    `budgets` are limits by metric (docs/gate.md). The report has `status`, `exit_code`,
    `verdicts` and `to_json()`. Raises InputError's kinds for bad input; a model that fails while
    it is measured is a fault in the report.
    """
    from compress.judge.gating import GateRequest
    from compress.judge.gating import gate as judge_model
    from compress.run.cache import default_cache

    request = GateRequest(
        candidate=Path(candidate),
        data=_rows(data, text, text_pair, label, group),
        profiles=_names(profiles),
        reference=None if reference is None else os.fspath(reference),
        baseline=None if baseline is None else Path(baseline),
        budgets=dict(budgets or {}),
        tier=_tier(tier),
        seed=seed,
        unlabeled=unlabeled,
        repeat=f"edgepress.gate({os.fspath(candidate)!r}, …)",
    )
    return judge_model(request, _progress(progress), default_cache().shared)


def measure(
    model: PathLike,
    *,
    data: Rows,
    reference: PathLike | None = None,
    profile: str = "local",
    text: str = "text",
    text_pair: str = "text_pair",
    label: str = "label",
    group: str | None = None,
    unlabeled: bool = False,
    tier: str = "ci",
    seed: int = 7,
    progress: bool = False,
) -> dict[str, Measurement]:
    """Return a model's figures by metric, each with `value`, `lower`, `upper` and `unit`.

    With a reference its ratios to that are among them. Raises what `validate` does.
    """
    from compress.judge.validate import measure_model
    from compress.run.cache import default_cache

    measured = measure_model(
        Path(model),
        None if reference is None else os.fspath(reference),
        _rows(data, text, text_pair, label, group),
        profile=profile,
        tier=_tier(tier),
        seed=seed,
        unlabeled=unlabeled,
        progress=_progress(progress),
        shared=default_cache().shared,
    )
    return dict(measured.model.measurements)


def validate(
    model: PathLike,
    *,
    reference: PathLike,
    data: Rows,
    profiles: Sequence[str] = ("local",),
    text: str = "text",
    text_pair: str = "text_pair",
    label: str = "label",
    group: str | None = None,
    tier: str = "ci",
    seed: int = 7,
    progress: bool = False,
) -> Validation:
    """Measure a model beside its teacher and judge it by each profile, as `edgepress validate`.

    Raises UnsupportedError for a model that no runtime here loads, DeviceError when a profile's
    device is out of reach.
    """
    from compress.judge.validate import validate as judge_model

    return judge_model(
        Path(model),
        os.fspath(reference),
        _rows(data, text, text_pair, label, group),
        _names(profiles) or ("local",),
        seed=seed,
        progress=_progress(progress),
        tier=_tier(tier),
    )


class Recipe:
    """A recipe (docs/recipe.md) that was read and validated; relative paths start at `folder`."""

    def __init__(self, recipe: _ReadRecipe, source: str) -> None:
        self._recipe = recipe
        self._source = source
        self.name: str = recipe.name
        self.folder: Path = recipe.folder

    @classmethod
    def read(cls, path: PathLike) -> Recipe:
        """Read a TOML file; raise RecipeError for anything in it that is unknown or wrong."""
        from compress.recipe import read_recipe

        return cls(read_recipe(Path(path)), os.fspath(path))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, folder: PathLike = ".") -> Recipe:
        """Return a recipe of the same keys as the file's; raise RecipeError as `read` does.

        >>> Recipe.from_dict(
        ...     {
        ...         "schema": 1,
        ...         "name": "smaller",
        ...         "teacher": {"path": "models/teacher"},
        ...         "data": {"train": "train.csv"},
        ...         "stage": [{"kind": "distill", "layers": 2}, {"kind": "quantize"}],
        ...     }
        ... )
        Recipe('smaller', distill, quantize)
        """
        from compress.recipe import parse_recipe

        place = Path(folder).absolute().resolve()
        return cls(parse_recipe(dict(content), place, "recipe"), "recipe")

    def run(
        self,
        out: PathLike,
        *,
        profiles: Sequence[str] = (),
        tier: str = "ci",
        fresh: bool = False,
        progress: bool = False,
    ) -> Result:
        """Carry it out in the folder `out`, as `edgepress run` does; with a [target], search.

        Everything is checked before any training: InputError's kinds say what cannot work.
        """
        work = self._run if self._recipe.target is None else self._search
        return Result(
            Path(out), *work(Path(out), _names(profiles), _tier(tier), fresh, _board(progress))
        )

    def _run(
        self, out: Path, profiles: tuple[str, ...], tier: str, fresh: bool, progress: Progress
    ) -> tuple[Report, Status]:
        from compress.run.cache import default_cache
        from compress.run.pipeline import Run
        from compress.run.plan import make_plan
        from compress.run.run_folder import RunFolder

        plan = make_plan(self._recipe, out, profiles=profiles)
        command = self._command("run", out)
        return Run(plan, default_cache(), RunFolder(out), progress, command, fresh, tier).execute()

    def _search(
        self,
        out: Path,
        profiles: tuple[str, ...],
        tier: str,
        fresh: bool,
        board: TerminalBoard | NoBoard,
    ) -> tuple[Report, Status]:
        from compress.search.conclude import conclude
        from compress.search.request import request_of
        from compress.search.search import search

        target = self._recipe.target
        assert target is not None  # `run` looked
        request = request_of(self._recipe, target, out, profiles=profiles, fresh=fresh, board=board)
        return conclude(search(request), command=self._command("search", out), tier=tier)

    def _command(self, name: str, out: Path) -> str:
        return shlex.join(["edgepress", name, self._source, "--out", str(out)])

    def __repr__(self) -> str:
        kinds = [stage.kind for stage in self._recipe.stages]
        return f"Recipe({', '.join([repr(self.name), *kinds])})"


def _rows(data: Rows, text: str, text_pair: str, label: str, group: str | None) -> DataSettings:
    from compress.data.dataset import DataSettings

    files = [data] if isinstance(data, str | os.PathLike) else data
    return DataSettings(
        train=(),
        test=tuple(map(os.fspath, files)),
        text=text,
        text_pair=text_pair,
        label=label,
        group=group,
    )


def _names(profiles: Sequence[str]) -> tuple[str, ...]:
    """Return the profiles' names; a name alone is one profile, not its letters."""
    return (profiles,) if isinstance(profiles, str) else tuple(profiles)


def _tier(name: str) -> str:
    """Return a tier's name; raise UnknownNameError before any work for one that is none."""
    from compress.judge.tiers import TIERS

    if name not in TIERS:
        raise UnknownNameError("tier", name, TIERS)
    return name


def _progress(shown: bool) -> Progress:
    from compress.progress import Silence, Terminal

    return Terminal() if shown else Silence()


def _board(shown: bool) -> TerminalBoard | NoBoard:
    from compress.search.board import TerminalBoard
    from compress.search.request import NoBoard

    return TerminalBoard() if shown else NoBoard()


def __getattr__(name: str) -> Any:
    if name != "__version__":
        raise AttributeError(f"module 'edgepress' has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("edgepress")
    except PackageNotFoundError:
        return "0+unknown"

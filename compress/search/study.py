"""The optuna study that keeps a search's trials: it survives a kill and proposes shapes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from compress.search.shape import Shape
from compress.search.space import Space
from compress.search.trial import Latency, Trial, trial_from_json
from runtimes.errors import InputError

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial as Asked

_DIRECTIONS: tuple[Literal["maximize", "minimize"], ...] = ("maximize", "maximize", "minimize")
"""Accuracy on the validation rows, speed-up and megabytes."""
_RANDOM = 5
"""Trials before the sampler learns from them."""


class Study:
    """Ask for shapes and keep what was found of them, in one study of an optuna storage.

    Shapes that a rule chose are enqueued, so that the sampler (multi-objective TPE: Ozaki et
    al. 2020, "Multiobjective Tree-structured Parzen Estimator") learns from them too. Each
    trial is one training; its shape and epochs are its parameters. One process at a time.
    """

    def __init__(
        self,
        storage: str,
        name: str,
        space: Space,
        rungs: tuple[int, ...],
        seed: int,
        *,
        fresh: bool = False,
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        choices = {**space.choices, "epochs": rungs}
        self._distributions: dict[str, BaseDistribution] = {
            key: optuna.distributions.CategoricalDistribution(values)
            for key, values in choices.items()
        }
        self._study = _opened(storage, name, fresh)
        known = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed + known, n_startup_trials=_RANDOM
        )
        self._abandon()

    def trials(self) -> list[Trial]:
        """Return every finished training, in the order of time."""
        finished = self._study.get_trials(deepcopy=False)
        return [trial_from_json(t.user_attrs["trial"]) for t in finished if "trial" in t.user_attrs]

    def ask(self, shape: Shape, epochs: int) -> Asked:
        """Open a trial of this shape."""
        wanted = {name: getattr(shape, name) for name in self._space.choices} | {"epochs": epochs}
        self._study.enqueue_trial(wanted)
        while (asked := self._study.ask(self._distributions)).params != wanted:
            self._dismiss(asked)  # left in the queue by a killed process
        return asked

    def propose(self, epochs: int) -> tuple[Asked, Shape]:
        """Open a trial of a shape that the sampler chooses."""
        self._study.enqueue_trial({"epochs": epochs})
        asked = self._study.ask(self._distributions)
        params = {name: value for name, value in asked.params.items() if name != "epochs"}
        return asked, Shape(**params, scheme=self._space.scheme)

    def tell(self, asked: Asked, trial: Trial) -> None:
        """Close a trial with what was found."""
        asked.set_user_attr("trial", trial.to_json())
        self._study.tell(asked, [trial.accuracy, trial.latency.speedup, trial.size_mb])

    def dismiss(self, asked: Asked, why: str) -> None:
        """Close a trial that was not trained, or failed."""
        asked.set_user_attr("why", why)
        self._dismiss(asked)

    def keep_latency(self, shape: Shape, latency: Latency) -> None:
        """Keep how fast a shape is."""
        self._study.set_user_attr(f"latency:{shape.timed_as.name}", asdict(latency))

    def latency(self, shape: Shape) -> Latency | None:
        """Return how fast a shape is, if it was measured."""
        found = self._study.user_attrs.get(f"latency:{shape.timed_as.name}")
        return None if found is None else Latency(**found)

    def keep_size(self, shape: Shape, size_mb: float) -> None:
        """Keep how large a shape is."""
        self._study.set_user_attr(f"size_mb:{shape.name}", size_mb)

    def size_mb(self, shape: Shape) -> float | None:
        """Return how large a shape is, if it was made."""
        found: float | None = self._study.user_attrs.get(f"size_mb:{shape.name}")
        return found

    def _dismiss(self, asked: Any) -> None:
        from optuna.trial import TrialState

        self._study.tell(asked, state=TrialState.FAIL)

    def _abandon(self) -> None:
        """Close the trials that a killed process left open; their stages are in the cache."""
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._dismiss(trial.number)


def default_storage(folder: Path) -> str:
    """Return the address of a sqlite file in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(folder / 'study.db').resolve()}"


def check_storage(storage: str) -> None:
    """Raise InputError for an address where no study can be kept."""
    import optuna

    try:
        optuna.get_all_study_names(storage)
    except Exception as error:  # SQLAlchemy and its drivers raise many types
        raise InputError(
            f"--storage {storage}: cannot be opened ({str(error).splitlines()[0][:160]})",
            expected="an address that SQLAlchemy knows, such as sqlite:///FILE",
            action="leave --storage out for a file in the run's folder",
        ) from error


def _opened(storage: str, name: str, fresh: bool) -> OptunaStudy:
    import optuna

    check_storage(storage)
    if fresh and name in optuna.get_all_study_names(storage):
        optuna.delete_study(study_name=name, storage=storage)
    return optuna.create_study(
        storage=storage, study_name=name, directions=_DIRECTIONS, load_if_exists=True
    )

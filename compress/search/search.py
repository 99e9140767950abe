"""Search a teacher's smaller shapes for the fastest and the smallest that meet a goal."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

from compress.run.run_folder import RunFolder
from compress.run.side_by_side import LONG_S, rounds
from compress.search import schedule
from compress.search.advice import doubts, what_helps
from compress.search.choice import Standing, fastest, pareto, smallest
from compress.search.clock import CLOSING_S, SearchClock
from compress.search.control import control_shape, teacher_saw_validation
from compress.search.pace import with_time_for_base
from compress.search.request import SearchRequest, SearchResult
from compress.search.schedule import SearchState, Training
from compress.search.shape import DECIDED, Shape
from compress.search.space import Space, linear_fits, space_of
from compress.search.study import Study
from compress.search.trial import Control, Latency, Trial
from compress.stage import STAGES, tool_versions
from compress.storage.sources import code_digest
from profiles.scores import RowScores
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash
from runtimes.errors import QualityError

_FIT_S = 0.005
"""The least time of a linear student's fit for each row."""
FOLDER = "search"
"""The files and folders in a run's folder for the study and the front's models."""
_TWO_AT_ONCE = 1.25
"""The factor by which a training takes longer beside another one."""
_LITTLE = 1.25
"""The time of a further rung that goes first, at most, as a share of the next training's."""
_FEWER_EPOCHS = (0.75, 0.5)
"""The shares of the last rung's epochs that are tried where all of them take too long."""
_CONTROL_SHARE = 0.5
"""The share of the remaining time that the control's training may take."""


def search(request: SearchRequest) -> SearchResult:
    """Screen shapes by speed and size, train what can still win for longer, and choose.

    Successive halving over epochs (Jamieson & Talwalkar 2016, "Non-stochastic Best Arm
    Identification and Hyperparameter Optimization"), where not a fixed share goes on, but every
    shape that can still be the answer or on the front of retention, speed-up and size. Only
    training and validation rows are used. A killed search is resumed from the study and the cache.
    Raises UnsupportedError for an architecture that cannot be cut.
    """
    return SearchRun(request).result()


class SearchRun:
    """Carry out a search; `rules` say what is trained next, the first that has something."""

    rules: ClassVar[Sequence[Callable[[SearchState], Iterator[Training]]]] = (
        *(schedule.linear, schedule.first, schedule.control, schedule.faster),
        *(schedule.confirm, schedule.smaller, schedule.nearby, schedule.rest, schedule.beside),
    )
    """The answer first, then the front's rest, then what lies beside it."""
    linear: ClassVar[bool] = True
    """Whether linear students are tried, where they can be the answer."""

    def __init__(self, request: SearchRequest) -> None:
        self._clock = SearchClock(request.limit_s)
        RunFolder(request.out).claim(request.plan.recipe.name, fresh=request.fresh)
        plan = with_time_for_base(request.plan, request.cache, request.limit_s, request.board)
        self._request = request = replace(request, plan=plan)
        self._shop = request.workshop()
        scheme = request.plan.profiles[0].quantization.scheme
        linear = self.linear and linear_fits(plan)
        self._space: Space = space_of(self._shop.teacher, scheme, self._shop.form, linear=linear)
        self._study = self._opened()
        self._state = self._begun()
        self._beside: set[Training] = set()

    def result(self) -> SearchResult:
        """Train until nothing can win, or trials or time are used up; then choose."""
        progress, state = self._request.board, self._state
        for warning in self._request.plan.warnings:
            progress.warn(warning)
        named = "a student" if state.teacher is None else state.teacher.name
        progress.note(f"control   {named}: {state.why}")
        begun = time.monotonic()
        self._shop.ask_teacher()
        if self._request.refits:
            self._clock.answering_s = time.monotonic() - begun
        while self._trials_left() and (training := self._next()) is not None:
            self._carry_out(training)
        self._deploy_the_rest()
        return self._chosen()

    def _deploy_the_rest(self) -> None:
        """Make the deployable models of the front that fit the time.

        Where nothing meets the goal the nearest is made in any case: it takes seconds, and what was
        deployed before may be far from the goal.
        """
        state, clock = self._state, self._clock
        wanted = not state.met
        while (training := next(schedule.undeployed(state), None)) is not None:
            closing_s = clock.closing_s if state.met else CLOSING_S  # no answer, no refit
            if not wanted and clock.left_s <= clock.making_s + closing_s:
                return
            self._carry_out(training)
            wanted = False

    def _next(self) -> Training | None:
        """Return the most valuable training that fits the time; None if there is none."""
        fitting = (fit for one in self._candidates() if (fit := self._fitted(one)))
        ahead = list(islice(fitting, 2))
        return self._before_it_is_too_late(ahead) or next(iter(ahead), None)

    def _before_it_is_too_late(self, ahead: Sequence[Training]) -> Training | None:
        """Return the fastest promising shape's last rung if it fits now, but not after `ahead`.

        A search that ends soon after the first rungs would else have no student of all epochs.
        What is ahead counts as if done one by one: before the first trainings of more work, their
        expected time is rough. A rung that takes about as little time as what is next goes first:
        it may lead to the answer, and shows what longer training gains.
        """
        if not ahead or schedule.faster not in self.rules:
            return None
        if any(schedule.keeps_about_enough(self._state, row) for row in self._state.rows):
            return None
        for training in schedule.faster(self._state):
            fit = self._fitted(training)
            if fit is None:
                continue
            others = sum(self._expected_s(one) for one in ahead if one.shape != training.shape)
            too_late = fit.deploy and not self._fits(fit, _TWO_AT_ONCE * others)
            if too_late or self._expected_s(fit) <= _LITTLE * self._expected_s(ahead[0]):
                return fit
        return None

    def _fitted(self, training: Training) -> Training | None:
        """Return the training if it fits the time, or its last rung with fewer epochs that do.

        Only while nothing meets the goal: an answer's neighbors need all epochs to be compared.
        """
        if self._fits(training):
            return training
        if not training.deploy or training.seed is not None or not training.epochs:
            return None
        if self._state.met:
            return None
        before = max((t.epochs for t in self._state.trials if t.shape == training.shape), default=0)
        epochs = (round(share * training.epochs) for share in _FEWER_EPOCHS)
        shorter = (replace(training, epochs=count) for count in epochs if count > before)
        return next(filter(self._fits, shorter), None)

    def _candidates(self) -> Iterator[Training]:
        return (training for rule in self.rules for training in rule(self._state))

    def _fits(self, training: Training, after_s: float = 0.0) -> bool:
        """Tell whether a training, and the refits if it becomes the answer, fit the time.

        `after_s` is the time of another training before it.

        The first one but a linear student's always does where no pace is known before it, and so
        does what was trained beside another: only its answers are wanting. Without the control
        there is no answer, so its training need not leave time for refits of its own.
        """
        clock, refits = self._clock, rounds(self._request.refits)
        if training in self._beside or not (clock.paces or training.shape.linear):
            return True
        work = self._space.work(training.shape)
        if training.shape == self._state.control_shape and self._state.teacher is None:
            refits = 0.0
            if clock.training_s(work, training.epochs) > _CONTROL_SHARE * clock.left_s:
                return False
        return clock.allows(work, training.epochs, refits, after_s)

    def _trials_left(self) -> bool:
        most = self._request.max_trials
        return most is None or len(self._state.trials) < most

    def _carry_out(self, training: Training) -> None:
        """Screen a shape, train it if it can win, and keep the result."""
        try:
            trial = self._trained(training)
        except QualityError as error:
            self._request.board.warn(f"{training.shape.name}: {error}")
            trial = None
        if trial is None:
            self._state.closed.add(training.shape)
            return
        self._state.trials.append(trial)
        self._study.keep_trial(trial)
        self._show()

    def _show(self) -> None:
        self._request.board.show(self._state.rows, self._state.goal)

    def _trained(self, training: Training) -> Trial | None:
        """Return a trial of the shape, None if no answers could make it win."""
        shape = training.shape
        latency, size_mb = self._screened(shape)
        if not self._may_win(shape):
            return None
        self._train_with_next(training)
        what = "fit" if shape.linear else f"{training.epochs} epochs"
        self._request.board.note(f"{shape.name}: {what}")
        student = self._shop.student(shape, training.epochs, seed=training.seed)
        seconds = student.history[-1].seconds
        alone_s = seconds / (rounds(2) if training in self._beside else 1.0)
        self._clock.trained(self._space.work(shape), training.epochs, alone_s)
        scores = self._shop.scores(student)
        deployed = self._deployed_scores(student, training) if training.deploy else None
        return Trial(
            *(shape, training.epochs, latency, size_mb, seconds, scores, deployed, training.seed),
            whole=shape.linear and student.parameters < shape.features * len(student.labels),
        )

    def _may_win(self, shape: Shape) -> bool:
        """Tell whether a screened shape is worth a training: a planned or a tried one always is."""
        state, study = self._state, self._study
        planned = (*self._space.first_linear(), *self._space.first())
        if shape in (*planned, *(trial.shape for trial in state.trials)):
            return True
        latency, size_mb = study.latency(shape), study.size_mb(shape)
        assert latency is not None
        assert size_mb is not None
        return state.worth(shape, latency, size_mb)

    def _train_with_next(self, training: Training) -> None:
        """Where trainings take long, train beside this one what will probably be tried next."""
        if self._expected_s(training) < LONG_S:
            return
        for other in self._candidates():
            again = (other.shape, other.seed) == (training.shape, training.seed)  # fewer epochs
            known = self._study.latency(other.shape) and self._study.size_mb(other.shape)
            again = again or self._shop.learn_alike(training, other)
            if again or not known or not self._surely_next(other):
                continue
            if self._fits(other) and self._may_win(other.shape):
                self._shop.train([training, other])
                if rounds(2) < 2:
                    self._beside |= {training, other}
                return

    def _surely_next(self, _: Training) -> bool:
        """Tell whether a training is wanted whatever comes of the one before it."""
        return True

    def _expected_s(self, training: Training) -> float:
        """Return a training's expected time; that of the first linear fit goes by the rows."""
        if training.shape.linear and not self._clock.fitting_s:
            return _FIT_S * len(self._shop.data.train)
        return self._clock.training_s(self._space.work(training.shape), training.epochs)

    def _deployed_scores(self, student: Artifact, training: Training) -> RowScores:
        return self._shop.scores(self._shop.deployed(student, training.shape, seed=training.seed))

    def _screened(self, shape: Shape) -> tuple[Latency, float]:
        """Return a shape's latency and size; the first shapes are measured side by side.

        The linear ones are in a session of their own: they need not wait for the others.
        """
        study = self._study
        if study.size_mb(shape) is None or study.latency(shape) is None:
            together = (self._space.first_linear(), self._space.first())
            shapes = next((group for group in together if shape in group), [shape])
            begun = time.monotonic()
            models = {one: self._shop.untrained(one) for one in shapes}
            mean_s = (time.monotonic() - begun) / len(shapes)
            if not shape.linear:  # that of a linear one is its fit
                self._clock.making_s = max(self._clock.making_s, mean_s)
            for one, model in models.items():
                study.keep_size(one, model.size_mb)
            timed = {one: model for one, model in models.items() if study.latency(one) is None}
            for one, latency_of_one in (self._shop.timed(timed) if timed else {}).items():
                study.keep_latency(one, latency_of_one)
        latency, size_mb = study.latency(shape), study.size_mb(shape)
        assert latency is not None
        assert size_mb is not None
        return latency, size_mb

    def _chosen(self) -> SearchResult:
        state = self._state
        rows, front, goal = state.rows, pareto(state.rows), state.goal
        able = [] if state.control.stands_in else rows
        answer, least = fastest(able, goal), smallest(able, goal)
        for warning in doubts(rows, goal, answer, state.control, len(self._shop.data.validation)):
            self._request.board.warn(warning)
        time_is_up = self._time_is_up()
        folder = RunFolder(self._request.out / FOLDER)
        models = {row.trial.name: self._model(row, folder) for row in front}
        return SearchResult(
            request=self._request,
            control=state.control,
            rows=tuple(rows),
            answer=answer,
            smallest=least,
            pareto=tuple(front),
            models=models,
            seconds=self._clock.spent_s,
            rss_peak_mb=_rss_peak_mb(),
            advice=what_helps(
                rows,
                goal,
                len(self._shop.data.validation),
                state.control,
                time_is_up=time_is_up,
            ),
            time_is_up=time_is_up,
        )

    def _time_is_up(self) -> bool:
        return not all(self._fits(training) for training in self._candidates())

    def _model(self, row: Standing, folder: RunFolder) -> Path:
        student = self._shop.student(row.trial.shape, row.trial.epochs)
        model = self._shop.deployed(student, row.trial.shape)
        return folder.keep(model, row.trial.name).path

    def _begun(self) -> SearchState:
        """Return the state that an earlier process of this search left."""
        plan, request = self._request.plan, self._request
        saw, why = teacher_saw_validation(plan)
        name = "teacher"
        if saw and (base := plan.recipe.teacher.base) is not None:
            saw, name = False, "another teacher"
            why = f"fine-tuned from {base} without the validation rows, which the teacher has seen"
        teacher = None if saw else Control(name, self._shop.scores(self._shop.control), why)
        trials = list(self._study.trials)
        for trial in trials:
            self._clock.trained(self._space.work(trial.shape), trial.epochs, trial.seconds)
        shape = control_shape(self._space)
        return SearchState(
            self._space, request.goal, request.rungs, plan.recipe.seed, teacher, shape, why, trials
        )

    def _opened(self) -> Study:
        path = self._request.out / FOLDER / "study.jsonl"
        if self._request.fresh:
            path.unlink(missing_ok=True)
        return Study(path, stable_hash(self._identity()))

    def _identity(self) -> list[object]:
        """Return what identifies a search, without its goal; others' trials are ignored."""
        plan, shop = self._request.plan, self._shop
        code = [code_digest(STAGES.resolve(kind).__module__) for kind in DECIDED]
        return [
            *(shop.teacher.digest, shop.selection.digest, shop.data.digest),
            *(plan.recipe.seed, plan.facts.fingerprint()),
            *(shop.form, dict(shop.kept), dataclasses.asdict(plan.target), code, tool_versions()),
            *(self._request.rungs, self._space.choices, self._space.linear),
        ]


def _rss_peak_mb() -> float | None:
    """Return the peak memory of this process plus that of its largest child, in MB (10^6).

    None where the system does not count it. Linux counts in KiB, macOS in bytes.
    """
    try:
        import resource
    except ImportError:  # Windows
        return None
    uses = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(sum(resource.getrusage(use).ru_maxrss for use in uses) * unit / 1e6, 1)
